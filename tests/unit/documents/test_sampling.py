"""Samples: rates, a durable ring, what is said when nothing could be seen; places in the log."""

import json
import struct
from pathlib import Path
from types import SimpleNamespace

import lpse_sampling
import pytest
from lpse_libpq import DatabaseError, lsn, lsn_text, place_of, wants_reply
from lpse_sampling import Rates, Ring, Sampler

from lpse_ops.observe.facts import Sample
from lpse_ops.observe.strict import read
from tests.support.documents import Pair


class FakeDatabase:
    """Answers like the active node's database."""

    host = "198.51.100.11"
    position = 0x3000000
    broken = False

    def __init__(self, words: str) -> None:
        if FakeDatabase.broken:
            raise DatabaseError("connection refused")

    def query(self, sql: str) -> list[tuple[str | None, ...]]:
        assert "pg_current_wal_lsn" in sql
        return [(lsn_text(self.position), None, "2")]

    def close(self) -> None:
        return


def test_a_sample_is_what_the_controller_reads(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lpse_sampling, "Database", FakeDatabase)
    (pair.there / "a.rhs").write_bytes(b"a")
    sampler = Sampler("host=x", {"198.51.100.11": "node1"}, lambda _: pair.link, received=lambda: 5)
    sample = read(Sample, json.loads(json.dumps(sampler.sample())), "node2")
    assert sample.ok
    assert (sample.active, str(sample.lsn), sample.timeline) == ("node1", "0/3000000", 2)
    assert sample.documents is not None
    assert sample.documents.count == 1
    assert sample.received is not None
    assert sample.received.documents == 5
    monkeypatch.setattr(FakeDatabase, "broken", True)
    sampler._database = None
    failed = read(Sample, sampler.sample(), "node2")
    assert (failed.ok, failed.error) == (False, "connection refused")


def test_rates_are_per_second_over_the_window() -> None:
    rates = Rates()
    assert rates.add(100.0, 1000, 10) == (0.0, 0.0)
    assert rates.add(102.0, 3000, 14) == (1000.0, 2.0)
    for second in range(104, 180, 2):
        found = rates.add(float(second), 3000, 14)
    assert found == (0.0, 0.0)


def test_rates_start_anew_after_a_failover_or_a_clock_that_was_set() -> None:
    rates = Rates()
    rates.add(100.0, 5000, 10)
    assert rates.add(102.0, 4000, 10) == (0.0, 0.0)
    assert rates.add(50.0, 6000, 10) == (0.0, 0.0)


def test_the_ring_keeps_the_newest_and_drops_what_was_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lpse_sampling, "KEPT", 20)
    monkeypatch.setattr(lpse_sampling, "LONGEST", 50)
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b'{"time":1}\n{"time":2}\nnull\n{"tim')
    ring = Ring(str(path))
    assert path.read_text() == '{"time":1}\n{"time":2}\n'
    for number in range(lpse_sampling.LONGEST + 10):
        ring.append({"time": number})
    lines = path.read_text().splitlines()
    assert lpse_sampling.KEPT <= len(lines) < lpse_sampling.LONGEST
    assert json.loads(lines[-1]) == {"time": lpse_sampling.LONGEST + 9}
    assert [json.loads(line)["time"] for line in lines] == list(range(lpse_sampling.LONGEST + 10))[
        -len(lines) :
    ]


@pytest.mark.parametrize("text", ["0/3000148", "16/B374D848", "FFFFFFFF/FFFFFFFF", "0/0"])
def test_places_read_as_written(text: str) -> None:
    assert lsn_text(lsn(text)) == text


def test_only_data_moves_the_place_reached() -> None:
    data = b"w" + struct.pack("!QQq", 1000, 9999, 0) + b"x" * 50
    keepalive = b"k" + struct.pack("!QqB", 9999, 0, 1)
    assert place_of(data, 900) == 1050
    assert place_of(data, 2000) == 2000
    assert place_of(keepalive, 900) == 900
    assert wants_reply(keepalive)
    assert not wants_reply(b"k" + struct.pack("!QqB", 9999, 0, 0))
    assert not wants_reply(data)


class Enough(Exception):
    """Ends a loop that goes on for ever."""


def test_samples_are_taken_in_time_and_a_late_one_is_no_fault(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sampler that waited for a dead node is late: it goes on at once, and never waits a negative time."""
    clock = iter([0.0, 0.5, 9.0, 9.1, 30.0])
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 4:
            raise Enough

    monkeypatch.setattr(lpse_sampling, "Database", FakeDatabase)
    monkeypatch.setattr(FakeDatabase, "broken", True)
    monkeypatch.setattr(
        lpse_sampling, "time", SimpleNamespace(monotonic=lambda: next(clock), time=lambda: 1.0)
    )
    path = tmp_path / "samples.jsonl"
    path.touch()
    sampler = Sampler("host=x", {}, lambda _: pair.link)
    with pytest.raises(Enough):
        lpse_sampling.take_forever(sampler, Ring(str(path)), wait)
    assert waits == [1.5, 0.0, pytest.approx(1.9), 0.0]
    assert len(path.read_text().splitlines()) == 4


def test_the_ring_keeps_good_samples_through_a_long_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lpse_sampling, "KEPT", 20)
    monkeypatch.setattr(lpse_sampling, "LONGEST", 50)
    monkeypatch.setattr(lpse_sampling, "GOOD_KEPT", 3)
    path = tmp_path / "samples.jsonl"
    path.touch()
    ring = Ring(str(path))
    for number in range(10):
        ring.append({"time": number, "ok": True})
    for number in range(10, 500):
        ring.append({"time": number, "ok": False})
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert [sample["time"] for sample in kept if sample["ok"]] == [7, 8, 9]
    assert len(kept) <= 50
