"""The epoch record: what is written, what is refused, what a damaged file counts for."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.node.conftest import Helper, make_record

RUN = ("--run", "r1", "--token", "1")


def write(node: Helper, record: dict[str, Any], *arguments: str) -> Any:
    """Call `epoch write` with a record on its input."""
    return node("epoch", "write", *(arguments or RUN), stdin=json.dumps(record) + "\n")


def test_a_record_is_written_and_read_back(node: Helper) -> None:
    assert node("epoch", "show").json == {"state": "none", "record": None}
    assert write(node, make_record(2)).json == {"changed": True, "already": False, "record": make_record(2)}
    assert node("epoch", "show").json == {"state": "ok", "record": make_record(2)}
    assert node("observe").json["record"] == make_record(2)
    assert not list(node.var.glob("*.new*"))


def test_writing_the_same_again_changes_nothing(node: Helper) -> None:
    write(node, make_record(2))
    before = (node.var / "epoch.json").stat().st_ino
    again = write(node, make_record(2))
    assert (again.code, again.json["changed"], again.json["already"]) == (0, False, True)
    assert (node.var / "epoch.json").stat().st_ino == before


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (make_record(1), "epoch 1 is older"),
        (make_record(2, "node2"), "another record of epoch 2"),
        (make_record(2, run="r2"), "another record of epoch 2"),
        (make_record(2, system_id="99"), "database system 99"),
        (make_record(3, system_id="99"), "database system 99"),
        (make_record(3, site="elsewhere"), "site elsewhere"),
        (make_record(3, "node7"), "node7 is no host"),
    ],
)
def test_what_turns_back_or_contradicts_is_refused(node: Helper, record: dict[str, Any], words: str) -> None:
    write(node, make_record(2))
    answer = write(node, record)
    assert answer.code == 3
    assert words in answer.json["reasons"][0]
    assert node("epoch", "show").json["record"] == make_record(2)


def test_an_equal_epoch_can_be_completed(node: Helper) -> None:
    write(node, make_record(2, system_id=None, witnessed=False))
    assert write(node, make_record(2)).json["record"] == make_record(2)
    # and never the other way
    assert write(node, make_record(2, system_id=None, witnessed=False)).json["record"] == make_record(2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"site":"lab"}',
        json.dumps(make_record(0)),
        json.dumps(make_record(1, epoch="1")),
        json.dumps(make_record(1, epoch=1.5)),
        json.dumps(make_record(1, epoch=-1)),
        json.dumps(make_record(1, active="node1; reboot")),
        json.dumps(make_record(1, active='node1"')),
        json.dumps(make_record(1, run="../r")),
        json.dumps(make_record(1, system_id="7a")),
        json.dumps(make_record(1, extra=1)),
        json.dumps(make_record(1)) + " {}",
        json.dumps(make_record(1))[:-1],
        '{"epoch":9,' + json.dumps(make_record(1))[1:],
    ],
)
def test_what_is_no_record_is_refused(node: Helper, text: str) -> None:
    answer = node("epoch", "write", *RUN, stdin=text + "\n")
    assert answer.code == 2, answer.text
    assert not (node.var / "epoch.json").exists()


def damage(data: bytes) -> dict[str, bytes]:
    """Return what a power cut or a bad disk can leave of a file."""
    flipped = bytearray(data)
    flipped[data.index(b"node1") + 4] = ord("2")
    return {
        "empty": b"",
        "half": data[: len(data) // 2],
        "no newline": data[:-1],
        "no end": data[:-3],
        "zeros": bytes(len(data)),
        "zeros behind": data + bytes(10),
        "another active node": bytes(flipped),
        "twice": data * 2,
        "no checksum": json.dumps(make_record(2)).encode() + b"\n",
        "binary": b"\xff\xfe\x00\x01",
    }


@pytest.mark.parametrize("kind", list(damage(b"xx node1 yy")))
def test_a_damaged_record_is_no_record(node: Helper, kind: str) -> None:
    write(node, make_record(2))
    file = node.var / "epoch.json"
    file.write_bytes(damage(file.read_bytes())[kind])
    assert node("epoch", "show").json == {"state": "bad", "record": None}
    assert node("observe").json["record"] is None
    assert node("vote", stdin="0123456789abcdef\n").json["record"] is None
    required = node("guard", "require")
    assert required.code == 1
    refused = write(node, make_record(9))
    assert refused.code == 3
    assert "cannot be read" in refused.json["reasons"][0]
    assert node("claim-address", *RUN).code == 3


def test_init_makes_the_first_record_only(node: Helper) -> None:
    made = node("epoch", "init", "--active", "node1", "--system-id", "7301")
    assert made.json["record"] == make_record(1, run="init")
    assert node("epoch", "init", "--active", "node2").code == 3
    assert node("epoch", "init", "--active", "node7").code == 3


def test_init_is_refused_when_another_voter_has_a_record(node: Helper) -> None:
    node.peer("198.51.100.30", make_record(4, "node2"))
    refused = node("epoch", "init", "--active", "node1")
    assert refused.code == 3
    assert "repository" in refused.json["reasons"][0]


def test_adopt_takes_the_highest_record(node: Helper) -> None:
    node.peer("198.51.100.12", make_record(3, "node2"))
    node.peer("198.51.100.30", make_record(4, "node2"))
    assert node("epoch", "adopt").json["record"] == make_record(4, "node2")


def test_adopt_goes_only_upward(node: Helper) -> None:
    write(node, make_record(5, "node2"))
    node.peer("198.51.100.30", make_record(4, "node2"))
    refused = node("epoch", "adopt", *RUN)
    assert refused.code == 3
    assert "older" in refused.json["reasons"][0]


def test_adopting_shuts_no_run_out(node: Helper) -> None:
    write(node, make_record(5, "node2"), "--run", "r7", "--token", "7")
    node.peer("198.51.100.30", make_record(6, "node2"))
    assert node("epoch", "adopt", "--run", "late", "--token", "6").code == 3
    assert node("epoch", "adopt", "--run", "protect", "--token", "8").code == 0
    assert (node.var / "token").read_text() == "7 r7\n"


def test_adopt_repairs_a_damaged_record(node: Helper) -> None:
    write(node, make_record(2))
    (node.var / "epoch.json").write_text("half")
    node.peer("198.51.100.30", make_record(2))
    assert node("epoch", "adopt", *RUN).json["record"] == make_record(2)


def test_adopt_without_an_answer_is_refused(node: Helper) -> None:
    refused = node("epoch", "adopt")
    assert refused.code == 3
    assert "node2 does not answer" in refused.json["reasons"][1]


def test_the_former_active_node_adopts_once_its_data_is_moved_aside(node: Helper) -> None:
    write(node, make_record(2))
    node.peer("198.51.100.30", make_record(3, "node2"))
    data = node.root / "var/lib/postgresql/15/main"
    (data / "PG_VERSION").write_text("15\n")
    refused = node("epoch", "adopt", *RUN)
    assert refused.code == 3
    assert "still in place" in refused.json["reasons"][0]
    data.rename(data.with_name("main.superseded"))
    assert node("epoch", "adopt", *RUN).json["record"] == make_record(3, "node2")


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "00112233445566778899aabbccddeeff"},
        {"site": "elsewhere"},
        {"node": "node2"},
        {"record_state": "fine"},
        {"active_now": "no"},
        {"record": make_record(4, site="elsewhere")},
        {"record": make_record(4, active="node 2")},
        {"record": {"epoch": 4}},
        {"record": None},
    ],
)
def test_an_answer_that_does_not_fit_the_question_does_not_count(
    node: Helper, change: dict[str, Any]
) -> None:
    node.peer("198.51.100.30", make_record(4), **change)
    refused = node("epoch", "adopt")
    assert refused.code == 3
    assert "the answer of repository does not count" in refused.json["reasons"][1]


@pytest.mark.parametrize(
    "text", ["", "\n", "{", "garbage\n", "{}\n", "[1]\n", '{"nonce":"NONCE"}\n', "x" * 100_000]
)
def test_garbage_is_no_answer(node: Helper, text: str, tmp_path: Path) -> None:
    (tmp_path / "peers" / "198.51.100.30").write_text(text)
    refused = node("epoch", "adopt")
    assert refused.code == 3
    assert "repository" in refused.json["reasons"][1]
