"""Rounds of the soak, without a lab: the same seed does the same, a round that came home is gone on from."""

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lpse_ops.drill.compare import Found
from lpse_ops.lab.lab import Lab
from tests.faults import round as module
from tests.faults.books import Books
from tests.faults.prober import WHAT, Write
from tests.faults.round import NODES, Record, Round


class FakeLab:
    """Takes every fault and remembers it."""

    name = "fake"

    def __init__(self) -> None:
        self.done: list[str] = []

    def __getattr__(self, what: str) -> Any:
        def do(*words: object, **_more: object) -> Any:
            self.done.append(" ".join([what, *map(str, words)]))
            return SimpleNamespace(returncode=0, stdout="", stderr="")

        return do


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Everything around a round replaced: no run ends, `node` serves, and it can be protected again."""
    state = {"node": NODES[0], "ready": ""}

    @contextlib.contextmanager
    def prober(*_args: object) -> Iterator[object]:
        yield SimpleNamespace(writes=[Write(1, state["node"], what) for what in WHAT], ids=set())

    @contextlib.contextmanager
    def ledger(book: Path, *_args: object) -> Iterator[object]:
        book.write_text("")
        yield SimpleNamespace(first_ack_after=lambda _at: 1.0, failures={})

    def ready(_lab: object) -> None:
        state["ready"] += "fresh "

    def home(_lab: object, other: str, killed_after_s: float, say: Any) -> list[str]:
        say(f"{other} is brought home, first killed after {killed_after_s:.1f} s")
        return [state["stuck"]] if "stuck" in state else []

    same_record = '{"record": {"epoch": 1, "active": "node1"}}'
    fakes: dict[str, Any] = {
        "Prober": prober,
        "Ledger": ledger,
        "ready": ready,
        "target": lambda _lab: None,
        "bring_home": home,
        "journals": lambda _lab: [Path("/nonexistent"), Path("/nonexistent")],
        "collect": lambda _runner: Found((), ()),
        "on_host": lambda _lab, _host, _argv: same_record,
        "served_by": lambda _lab, node: [] if node == state["node"] else ["not served"],
        "mend": lambda _lab: None,
        "TROUBLES": {"nothing": (1, None)},
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(module, name, fake)
    monkeypatch.setattr("tests.faults.invariants.nothing_left", lambda _lab, _before: [])
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    process = SimpleNamespace(poll=lambda: 3, wait=lambda *_a: 3, pid=0)
    monkeypatch.setattr(Round, "_start", lambda _self, _words, _environment: process)
    return state


def play(number: int, folder: Path, before: Record | None = None, seed: int = 7) -> Record:
    lab = cast(Lab, FakeLab())
    dice = random.Random(f"{seed}/{number}")  # noqa: S311 - a test
    played = Round(lab, dice, folder, number, Books())
    played.ready(before)
    played.play()
    return played.record


def test_a_seed_does_the_same_again(serving: dict[str, str], tmp_path: Path) -> None:
    for number in range(12):
        one, other = play(number, tmp_path), play(number, tmp_path)
        assert (one.sequence, one.home) == (other.sequence, other.home)
        assert one.violations == []
        assert one.ended == "node1 serves"
    assert play(1, tmp_path).sequence != play(1, tmp_path, seed=8).sequence


def test_some_rounds_come_home_and_are_gone_on_from(serving: dict[str, str], tmp_path: Path) -> None:
    played = [play(number, tmp_path) for number in range(12)]
    assert {record.home for record in played} == {True, False}
    serving["ready"] = ""
    for before in played:
        serving["ready"] = ""
        play(20, tmp_path, before)
        assert bool(serving["ready"]) is not before.home


def test_after_a_failover_the_nodes_have_changed_parts(serving: dict[str, str], tmp_path: Path) -> None:
    serving["node"] = NODES[1]
    record = play(3, tmp_path, Record(2, ended="node2 serves", home=True))
    assert record.active == NODES[1]
    assert any(said.startswith("node2: ") for said in record.sequence)
    assert record.violations == []


def test_a_site_that_cannot_be_protected_again_is_a_violation(
    serving: dict[str, str], tmp_path: Path
) -> None:
    serving["stuck"] = "node2 cannot be made a standby"
    played = [play(number, tmp_path) for number in range(12)]
    assert any(record.violations == [serving["stuck"]] for record in played)
    assert not any(record.home for record in played)


def test_a_server_that_no_journal_made_active_is_a_violation(serving: dict[str, str], tmp_path: Path) -> None:
    serving["node"] = NODES[1]
    assert "no journal tells" in " ".join(play(0, tmp_path).violations)
