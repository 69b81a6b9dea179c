"""What the active node looks after: since when it is alone, whether another node is active, who has witnessed."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lpse_ops.waiting import wait_until
from tests.unit.node.conftest import Helper, make_record

REPOSITORY_CONF = """\
VERSION='0.1.0'
SITE='lab'
NODE='repository'
ROLE='repository'
PEERS='node1=198.51.100.11 node2=198.51.100.12'
"""
NONCE = "0123456789abcdef\n"


class Active:
    """node1 at work: its postmaster is a process in its data directory, its database answers what a test says."""

    def __init__(self, node: Helper) -> None:
        self.node = node
        data = node.root / "var/lib/postgresql/15/main"
        self.postmaster = subprocess.Popen(["sleep", "600"], cwd=data)
        (data / "postmaster.pid").write_text(f"{self.postmaster.pid}\n")
        node.run_folder.mkdir(exist_ok=True)
        (node.run_folder / "open.conf").write_text("#\n")
        (node.run_folder / "guard.json").write_text('{"state":"active","open":true,"reason":"x"}\n')
        (node.root / "answer").write_text("\n")
        node.program("setpriv", f'#!/bin/sh\n[ -e "{node.root}/answer" ] && cat "{node.root}/answer"\n')
        # Looks follow each other at once, as many as a test asks for.
        node.program("sleep", f'#!/bin/sh\necho >>"{node.root}/looks"\nexec /bin/sleep 0.05\n')
        node.program("systemctl", f'#!/bin/sh\necho "$@" >>"{node.root}/orders"\n')
        write(node, make_record(2))

    def streams(self, *names: str) -> None:
        """Say who streams from here."""
        (self.node.root / "answer").write_text(" ".join(names) + "\n")

    def looks(self, count: int) -> None:
        """Let it look so many times, whole looks, from a fresh start."""
        looks = self.node.root / "looks"
        looks.unlink(missing_ok=True)
        process = self.node.popen("watch")
        assert wait_until(lambda: looks.exists() and len(looks.read_text()) >= count, 30, every=0.02)
        process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 0
        assert not list(self.node.run_folder.glob("work.*"))

    @property
    def clock(self) -> Any:
        """What `observe` says about being alone."""
        return self.node("observe").json["unprotected"]


def write(node: Helper, record: dict[str, Any]) -> None:
    done = node("epoch", "write", "--run", "r1", "--token", "1", stdin=json.dumps(record) + "\n")
    assert done.code == 0, done.text


@pytest.fixture
def active(node: Helper) -> Iterator[Active]:
    made = Active(node)
    yield made
    made.postmaster.kill()
    made.postmaster.wait()


@pytest.fixture
def repository(node: Helper) -> Helper:
    (node.root / "etc/lpse-ops/node.conf").write_text(REPOSITORY_CONF)
    return node


def test_the_clock_starts_when_nobody_streams_and_keeps_its_time(active: Active) -> None:
    before = time.time()
    active.looks(2)
    started = active.clock
    assert before - 1 <= started["since"] <= time.time()
    assert started["reason"] == "no standby streams"
    active.streams("documents pg_basebackup")
    active.looks(2)
    assert active.clock == started


def test_the_clock_ends_when_the_standby_streams_and_its_documents_agree(active: Active) -> None:
    active.looks(1)
    active.streams("documents", "node2")
    active.node.peer("198.51.100.12", make_record(2), follows=False)
    active.looks(3)
    assert active.clock is not None
    active.node.peer("198.51.100.12", make_record(2), follows=True)
    active.looks(2)
    assert active.clock is None


def test_the_clock_begins_where_protection_was_seen_last(active: Active) -> None:
    active.streams("node2")
    active.node.peer("198.51.100.12", make_record(2), follows=True)
    active.looks(1)
    seen = active.node.var / "protected"
    os.utime(seen, (1_790_000_000, 1_790_000_000))
    active.streams()
    active.looks(1)
    assert active.clock["since"] == 1_790_000_000


def test_documents_that_fall_behind_start_the_clock_too(active: Active) -> None:
    active.streams("node2")
    active.node.peer("198.51.100.12", make_record(2), follows=False)
    active.looks(1)
    assert active.clock["reason"] == "the documents of node2 do not agree"


def test_a_clock_that_cannot_be_read_is_started_anew(active: Active) -> None:
    (active.node.var / "unprotected.json").write_text('{"since":')
    unreadable = active.clock
    assert unreadable is None
    active.looks(1)
    assert active.clock["reason"] == "no standby streams"


def test_a_database_that_does_not_answer_says_nothing(active: Active) -> None:
    (active.node.root / "answer").unlink()
    active.looks(3)
    assert active.clock is None


def test_a_standby_has_no_clock(active: Active) -> None:
    active.looks(1)
    assert (active.node.var / "unprotected.json").exists()
    # It is a standby by now: what it knew of its time as the active node must not start its next one.
    (active.node.root / "var/lib/postgresql/15/main/standby.signal").touch()
    write(active.node, make_record(3, "node2"))
    active.looks(1)
    assert not (active.node.var / "unprotected.json").exists()
    assert active.clock is None


def orders(node: Helper) -> str:
    path = node.root / "orders"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize(
    ("epoch", "who", "closes"),
    [(3, "node2", True), (3, "node1", False), (2, "node1", False), (1, "node2", False)],
)
def test_a_higher_epoch_makes_the_guard_decide_again(
    active: Active, epoch: int, who: str, closes: bool
) -> None:
    active.node.peer("198.51.100.30", make_record(epoch, who))
    active.looks(1)
    assert ("restart --no-block lpse-guard.service" in orders(active.node)) is closes


def test_nobody_is_asked_while_the_standby_streams(active: Active) -> None:
    active.streams("node2")
    active.node.peer("198.51.100.12", make_record(2), follows=True)
    active.node.peer("198.51.100.30", make_record(3, "node2"))
    active.looks(4)
    assert orders(active.node) == ""


def test_an_unwitnessed_record_is_completed_once_the_repository_knows_it(node: Helper) -> None:
    made = Active(node)
    try:
        write(node, make_record(3, witnessed=False))
        made.looks(1)
        assert node("epoch", "show").json["record"]["witnessed"] is False
        node.peer("198.51.100.30", make_record(3, witnessed=True))
        made.looks(1)
        assert node("epoch", "show").json["record"] == make_record(3, witnessed=True)
    finally:
        made.postmaster.kill()
        made.postmaster.wait()


def vote(helper: Helper) -> Any:
    return helper("vote", stdin=NONCE).json


def test_the_repository_vouches_for_what_the_others_know(repository: Helper) -> None:
    write(repository, make_record(1))
    assert vote(repository)["record"] == make_record(1)
    repository.peer("198.51.100.12", make_record(2, "node2", witnessed=False))
    # It knows now, and being the repository it is the witness.
    assert vote(repository)["record"] == make_record(2, "node2", witnessed=True)
    (repository.root / "peers" / "198.51.100.12").unlink()
    assert vote(repository)["record"] == make_record(2, "node2", witnessed=True)


@pytest.mark.parametrize("left", [None, "half a rec"])
def test_a_repository_without_a_record_confirms_nobody_with_his_own_word(
    repository: Helper, left: str | None
) -> None:
    if left is not None:
        repository.var.mkdir(exist_ok=True)
        (repository.var / "epoch.json").write_text(left)
    repository.peer("198.51.100.11", make_record(1))
    answer = vote(repository)
    assert (answer["record"], answer["record_state"]) == (None, "bad" if left else "none")


def test_a_node_vouches_for_itself_alone(node: Helper) -> None:
    write(node, make_record(1))
    node.peer("198.51.100.12", make_record(2, "node2"))
    assert vote(node)["record"] == make_record(1)


def test_the_repository_takes_no_record_of_another_database(repository: Helper) -> None:
    write(repository, make_record(1))
    repository.peer("198.51.100.12", make_record(2, "node2", system_id="99"))
    assert vote(repository)["record"] == make_record(1)


def test_adopting_prefers_a_record_that_is_witnessed(node: Helper) -> None:
    write(node, make_record(3, witnessed=False))
    node.peer("198.51.100.12", make_record(3, witnessed=False))
    node.peer("198.51.100.30", make_record(3, witnessed=True))
    assert node("epoch", "adopt").json["record"]["witnessed"] is True


def documents(node: Helper, **changes: Any) -> None:
    board = {
        "state": "following",
        "last_pass": time.time(),
        "files": 7,
        "behind": 0,
        "newest": {"name": "a \u00fc.rhs", "time": 1.5},
        "error": None,
    }
    node.run_folder.mkdir(exist_ok=True)
    (node.run_folder / "documents.json").write_text(json.dumps(board | changes) + "\n")


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({}, True),
        ({"behind": 1}, False),
        ({"behind": 1, "lag_s": 0.4}, True),  # it is just coming in
        ({"behind": 1, "lag_s": 60.0}, False),
        ({"behind": 1, "lag_s": None}, False),
        ({"state": "waiting"}, False),
        ({"error": "no answer in time"}, False),
        ({"last_pass": 1_700_000_000.0}, False),
        ({"last_pass": None}, False),
    ],
)
def test_a_standby_says_whether_its_documents_agree(
    active: Active, changes: dict[str, Any], good: bool
) -> None:
    documents(active.node, **changes)
    assert vote(active.node)["follows"] is False
    (active.node.root / "var/lib/postgresql/15/main/standby.signal").touch()
    assert vote(active.node)["follows"] is good


def record(kind: str, total: int, place: str, what: str) -> str:
    """Return a line as pg_waldump prints it."""
    return f"rmgr: {kind:<11} len (rec/tot): {54:>6}/{total:>6}, tx: 750, lsn: {place}, prev 0/05000110, desc: {what}\n"


WALDUMP = "".join(
    [
        record("Standby", 50, "0/05000148", "RUNNING_XACTS nextXid 750 latestCompletedXid 749"),
        record("Heap", 8150, "0/05000180", "INSERT off 3 flags 0x00, blkref #0: rel 1663/5/16389 blk 0 FPW"),
        record("Transaction", 34, "0/05002178", "COMMIT 2026-11-24 12:00:00.123456 UTC"),
        record(
            "Transaction", 341, "0/050021A0", "COMMIT 2026-11-24 12:00:07.654321 UTC; inval msgs: catcache 55"
        ),
        record("Transaction", 34, "0/050022F8", "ABORT 2026-11-24 12:00:09.000000 UTC"),
    ]
)
END = "pg_waldump: error: error in WAL record at 0/50022F8: invalid record length at 0/5002320: wanted 24"


def waldump(node: Helper, text: str, error: str = "", code: int = 0) -> None:
    folder = node.root / "usr/lib/postgresql/15/bin"
    folder.mkdir(parents=True, exist_ok=True)
    (node.root / "wal").write_text(text)
    path = folder / "pg_waldump"
    path.write_text(
        f'#!/bin/sh\necho "$TZ $@" >"{node.root}/asked"\ncat "{node.root}/wal"\necho "{error}" >&2\nexit {code}\n'
    )
    path.chmod(0o755)
    (node.root / "var/lib/postgresql/15/main/PG_VERSION").write_text("15\n")


def test_the_log_beyond_a_place_is_counted(node: Helper) -> None:
    waldump(node, WALDUMP, END, 1)
    answer = node("fork", "--from", "0/5000148", "--timeline", "1").json
    assert answer == {
        "records": 5,
        "last": "0/050022F8",
        "last_bytes": 34,
        "commits": 2,
        "first_commit": "2026-11-24 12:00:00.123456 UTC",
        "last_commit": "2026-11-24 12:00:07.654321 UTC",
        "complete": True,
        "error": None,
    }
    asked = (node.root / "asked").read_text()
    assert asked.startswith("UTC ")
    assert "--timeline=1 --start=0/5000148" in asked
    node("fork", "--from", "0/5000148", "--until", "0/6000000", "--timeline", "1")
    assert "--end=0/6000000" in (node.root / "asked").read_text()


@pytest.mark.parametrize(
    ("error", "complete"),
    [
        ("pg_waldump: error: could not find a valid record after 0/5000148", True),
        ("pg_waldump: error: could not find file 000000010000000000000005", False),
        ("pg_waldump: error: could not open file", False),
    ],
)
def test_log_that_is_gone_is_not_taken_for_none(node: Helper, error: str, complete: bool) -> None:
    waldump(node, "", error, 1)
    answer = node("fork", "--from", "0/5000148", "--timeline", "1").json
    assert (answer["records"], answer["complete"]) == (0, complete)
    assert (answer["error"] is None) is complete


@pytest.mark.parametrize(
    "words",
    [[], ["--from", "0/5"], ["--from", "5", "--timeline", "1"], ["--from", "0/5;id", "--timeline", "1"]],
)
def test_fork_wants_a_place_and_a_timeline(node: Helper, words: list[str]) -> None:
    waldump(node, "")
    assert node("fork", *words).code == 2


def test_documents_are_listed_by_name_size_and_time(node: Helper) -> None:
    tree = node.root / "home/file/file_prod"
    (tree / "2026" / ".lpse-superseded").mkdir(parents=True)
    for name, text in {
        '2026/a "b" \\ c.rhs': "abc",
        ".part": "x",
        "2026/.lpse-superseded/z": "z",
        "d\n1": "",
    }.items():
        (tree / name).write_text(text)
        os.utime(tree / name, (1_790_000_000.25, 1_790_000_000.25))
    listed = node("documents", "list").json["files"]
    assert sorted(listed)[0] == ['2026/a "b" \\ c.rhs', 3, 1790000000.25]
    assert "z" not in json.dumps(listed)
    assert ".part" not in json.dumps(listed)


def test_the_history_of_a_stopped_database_is_seen(node: Helper, tmp_path: Path) -> None:
    waldump(node, "")
    data = node.root / "var/lib/postgresql/15/main"
    (data / "pg_wal").mkdir()
    (data / "pg_wal/00000003.history").write_text("1\t0/3000148\tno recovery target\n\n2\t0/5000000\tx\n")
    control = node.root / "usr/lib/postgresql/15/bin/pg_controldata"
    control.write_text(
        "#!/bin/sh\ncat <<END\nDatabase system identifier:           7301\n"
        "Latest checkpoint location:           0/6000028\nLatest checkpoint's TimeLineID:       3\nEND\n"
    )
    control.chmod(0o755)
    (node.root / "usr/lib/postgresql/15/bin/psql").symlink_to("/bin/true")
    node.program("setpriv", "#!/bin/sh\nexit 1\n")
    seen = node("observe").json["database"]
    assert (seen["timeline"], seen["checkpoint"], seen["running"]) == (3, "0/6000028", False)
    assert seen["history"] == [{"timeline": 1, "until": "0/3000148"}, {"timeline": 2, "until": "0/5000000"}]
