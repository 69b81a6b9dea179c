"""The journal: what was acknowledged stays, a torn tail is cut, anything else that changed is found."""

import errno
import json
import os
from pathlib import Path

import pytest

from lpse_ops.engine.journal import Journal, event_hash, read_events
from lpse_ops.errors import FaultsFound, StepFailed, UsageError


def written(folder: Path, events: int = 3) -> Path:
    journal = Journal.create(folder, "run-1")
    for number in range(events):
        journal.append("note", number=number)
    journal.close()
    return journal.path


def test_events_are_numbered_and_chained(tmp_path: Path) -> None:
    events = read_events(written(tmp_path))
    assert [event["seq"] for event in events] == [1, 2, 3]
    assert events[0]["previous"] == "run-1"
    assert events[2]["previous"] == events[1]["hash"]


def test_a_run_has_one_journal(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(FileExistsError):
        Journal.create(tmp_path, "run-1")


def test_opening_goes_on_where_it_stopped(tmp_path: Path) -> None:
    written(tmp_path)
    journal = Journal.open(tmp_path, "run-1")
    assert journal.append("note", number=3)["seq"] == 4
    journal.close()
    assert len(read_events(journal.path)) == 4


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    path = written(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"seq":4,"type":"no')
    journal = Journal.open(tmp_path, "run-1")
    journal.append("note", number=3)
    journal.close()
    assert [event["seq"] for event in read_events(path)] == [1, 2, 3, 4]


def changed_byte(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[1].replace(b'"number":1', b'"number":7'), lines[2]]


def missing(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2]]


def swapped(lines: list[bytes]) -> list[bytes]:
    return [lines[1], lines[0], lines[2]]


def garbage(lines: list[bytes]) -> list[bytes]:
    return [lines[0], b"\x00\xff garbage", lines[2]]


def forged(lines: list[bytes]) -> list[bytes]:
    event = json.loads(lines[1]) | {"number": 7}
    return [lines[0], json.dumps(event | {"hash": event_hash(event)}).encode(), lines[2]]


@pytest.mark.parametrize("damage", [changed_byte, missing, swapped, garbage, forged])
def test_damage_is_found(tmp_path: Path, damage: object) -> None:
    path = written(tmp_path)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join(damage(lines)) + b"\n")  # type: ignore[operator]
    with pytest.raises(FaultsFound) as caught:
        read_events(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_journal_of_another_run_is_found(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.rename(tmp_path / "run-2.jsonl")
    with pytest.raises(FaultsFound):
        read_events(tmp_path / "run-2.jsonl")


def test_no_journal_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        Journal.open(tmp_path, "nothing")


def test_listeners_hear_every_event_in_order(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, "run-1")
    heard: list[int] = []
    journal.listen(lambda event, line: heard.append(event["seq"]))
    journal.append("a")
    journal.append("b")
    journal.close()
    assert heard == [1, 2]


def test_an_event_is_flushed_before_anybody_hears_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    flush = os.fdatasync

    def counted(file: int) -> None:
        flush(file)
        flushed.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fdatasync", counted)
    journal = Journal.create(tmp_path, "run-1")
    heard: list[tuple[int, list[int]]] = []
    journal.listen(lambda _event, _line: heard.append((journal.path.stat().st_size, flushed[:])))
    journal.append("a")
    journal.append("b")
    journal.close()
    assert len(heard) == 2
    for size, before in heard:
        assert before[-1:] == [size]


def test_what_could_not_be_written_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.create(tmp_path, "run-1")
    journal.append("a")

    def full(file: int, data: bytes) -> None:
        os.write(file, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("lpse_ops.engine.journal._write_all", full)
        with pytest.raises(StepFailed) as caught:
            journal.append("b")
    assert "No space left" in caught.value.message
    journal.append("c")
    journal.close()
    assert [event["type"] for event in read_events(journal.path)] == ["a", "c"]


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, "run-1")
    journal.close()
    with pytest.raises(StepFailed):
        journal.append("late")
