"""Who is active, from what the voters answered: the decision that every playbook begins with."""

import importlib.util
import json
from typing import Any

import pytest

from tests.support.modules import ROOT

SOURCE = ROOT / "playbooks" / "filter_plugins" / "lpse_epoch.py"
NODES = ["node1", "node2"]


def load() -> Any:
    spec = importlib.util.spec_from_file_location("lpse_epoch", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILTER = load()


def record(epoch: int, active: str, system: str = "7") -> dict[str, Any]:
    text = json.dumps({"site": "lab", "system_id": system, "epoch": epoch, "active": active, "run": "r"})
    return {"rc": 0, "stdout": text, "stderr": ""}


NONE = {"rc": 1, "stdout": "", "stderr": "cat: /var/lib/lpse-ops/epoch.json: No such file or directory"}
DENIED = {"rc": 1, "stdout": "", "stderr": "cat: /var/lib/lpse-ops/epoch.json: Permission denied"}
TORN = {"rc": 0, "stdout": '{"epoch": 3, "act', "stderr": ""}


@pytest.mark.parametrize(
    ("answers", "active"),
    [
        ([NONE, NONE, NONE], "node1"),
        ([NONE, NONE, None], "node1"),
        ([record(1, "node1"), record(1, "node1"), record(1, "node1")], "node1"),
        ([record(1, "node1"), record(2, "node2"), record(2, "node2")], "node2"),
        ([None, record(2, "node2"), record(2, "node2")], "node2"),
        ([record(1, "node1"), NONE, record(2, "node2")], "node2"),
        ([NONE, NONE, record(2, "node2")], "node2"),
        ([record(1, "node1", ""), record(1, "node1"), None], "node1"),
    ],
)
def test_highest_epoch_wins(answers: list[Any], active: str) -> None:
    decision = FILTER.decide(dict(zip([*NODES, "repository"], answers, strict=True)), NODES, initial="node1")
    assert decision["reasons"] == []
    assert decision["active"] == active


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([record(2, "node1"), record(2, "node2"), None], "disagree"),
        ([None, record(2, "node2"), None], "two are needed"),
        ([NONE, None, None], "two are needed"),
        ([TORN, record(2, "node2"), record(2, "node2")], "damaged"),
        ([DENIED, record(2, "node2"), record(2, "node2")], "cannot be read"),
        ([record(2, "elsewhere"), record(2, "node2"), record(2, "node2")], "no node of this site"),
        ([record(1, "node1", "7"), record(2, "node2", "8"), None], "different databases"),
    ],
)
def test_refusals_say_why(answers: list[Any], words: str) -> None:
    decision = FILTER.decide(dict(zip([*NODES, "repository"], answers, strict=True)), NODES, initial="node1")
    assert decision["active"] == ""
    assert words in " ".join(decision["reasons"])


def test_a_person_may_name_the_first_one_alone() -> None:
    answers = {"node1": None, "node2": NONE, "repository": None}
    assert FILTER.decide(answers, NODES, initial="node2", chosen=True)["active"] == "node2"
    assert FILTER.decide(answers, NODES, initial="node9", chosen=True)["active"] == ""


def test_a_chosen_node_never_beats_a_record() -> None:
    answers = {"node1": record(1, "node1"), "node2": None, "repository": record(1, "node1")}
    assert FILTER.decide(answers, NODES, initial="node2", chosen=True)["active"] == "node1"
    silent = {"node1": record(1, "node1"), "node2": None, "repository": None}
    assert FILTER.decide(silent, NODES, initial="node2", chosen=True)["reasons"]


def test_answers_of_ansible() -> None:
    assert FILTER.answer({}) is None
    assert FILTER.answer({"lpse_record": {"unreachable": True}}) is None
    assert FILTER.answer({"lpse_record": {**NONE, "changed": False}}) == NONE
