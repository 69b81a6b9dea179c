"""The ledger against a service in this process: what it knows must be what happened."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lpse_ops.drill.compare import Row, compare
from lpse_ops.drill.durable import DurableLog, read_events
from lpse_ops.drill.ledger import Ledger
from lpse_ops.drill.writer import Pace, Target, tls_context
from lpse_ops.errors import UsageError
from lpse_ops.waiting import wait_until
from tests.unit.drill.offer_server import NAME, OfferServer, make_certificate

FAST = Pace(writers=4, rate=50, size=(100, 500), answer_s=0.3, again_s=0.02)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return make_certificate(tmp_path)


@pytest.fixture
def service(certificate: tuple[Path, Path]) -> Iterator[OfferServer]:
    server = OfferServer(*certificate)
    yield server
    server.close()


def target(service: OfferServer, authority: Path, name: str = NAME) -> Target:
    return Target("127.0.0.1", name, (1001, 1002), tls_context(authority), port=service.port)


def test_it_knows_what_the_service_keeps(
    service: OfferServer, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(path, target(service, certificate[0]), FAST) as ledger:
        assert wait_until(lambda: ledger.acknowledged >= 40, 10, 0.01)
        assert ledger.rate(10) > 0
    events = read_events(path)
    rows = [Row(offer, digest) for offer, digest in service.kept.items()]
    documents = [(f"{offer}.rhs", digest) for offer, digest in service.kept.items()]
    result = compare(events, rows, documents)
    assert result.acknowledged == ledger.acknowledged == len(service.kept)
    assert (result.lost, result.unexpected, result.recovered, result.broken) == (0, 0, 0, 0)
    assert [events[0]["event"], events[-1]["event"]] == ["start", "stop"]
    assert {event["writer"] for event in events if event["event"] == "attempt"} == {0, 1, 2, 3}
    assert service.hosts == {f"{NAME}:{service.port}"}
    assert service.connections == FAST.writers, "connections are kept"
    assert ledger.failures == {}


def test_every_attempt_is_on_disk_before_it_is_sent(
    service: OfferServer, certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.jsonl"
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        size = path.stat().st_size
        real(handle)
        synced.append(size)

    monkeypatch.setattr(os, "fsync", fsync)
    unsynced: list[str] = []
    append = service.seen.append

    class Watching(list[str]):
        def append(self, offer: str) -> None:
            if offer.encode() not in path.read_bytes()[: max(synced)]:
                unsynced.append(offer)
            append(offer)

    service.seen = Watching()
    with Ledger(path, target(service, certificate[0]), FAST) as ledger:
        assert wait_until(lambda: ledger.acknowledged >= 20, 10, 0.01)
    assert unsynced == []


def test_an_outage_is_measured_and_notices_are_counted(
    service: OfferServer, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    with Ledger(tmp_path / "l", target(service, certificate[0]), FAST) as ledger:
        assert wait_until(lambda: ledger.acknowledged >= 8, 10, 0.01)
        service.mood = "notice"
        began = time.time()
        assert wait_until(lambda: ledger.notices.count >= 20, 10, 0.01)
        quiet = time.time()
        assert ledger.first_ack_after(quiet) is None
        service.mood = "ok"
        assert wait_until(lambda: ledger.first_ack_after(quiet) is not None, 10, 0.01)
    outage, notices = ledger.outage(), ledger.notices
    assert outage is not None
    assert outage.seconds >= quiet - began - 0.05
    assert outage.ends == ledger.first_ack_after(quiet)
    assert outage.begins == ledger.last_ack_before(quiet)
    assert notices.first is not None
    assert notices.last is not None
    assert began - 0.05 <= notices.first <= notices.last
    assert ledger.failures["notice"] == notices.count


def test_odd_writers_send_the_same_offer_again_and_even_ones_give_it_up(
    service: OfferServer, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    path = tmp_path / "ledger.jsonl"
    service.mood = "error"
    with Ledger(path, target(service, certificate[0]), FAST) as ledger:
        assert wait_until(lambda: ledger.failures.get("http 500", 0) >= 40, 10, 0.01)
        service.mood = "ok"
        assert wait_until(lambda: ledger.acknowledged >= 10, 10, 0.01)
    tries: dict[int, int] = {}
    for event in read_events(path):
        if event["event"] == "attempt":
            tries[event["writer"]] = max(tries.get(event["writer"], 0), event["try"])
    assert tries[0] == tries[2] == 1
    assert min(tries[1], tries[3]) > 1


def test_kept_without_an_answer_is_recovered_not_acknowledged(
    service: OfferServer, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    path = tmp_path / "ledger.jsonl"
    service.mood = "silent"
    with Ledger(path, target(service, certificate[0]), FAST) as ledger:
        assert wait_until(lambda: ledger.failures.get("timeout", 0) >= 4, 10, 0.01)
    rows = [Row(offer, digest) for offer, digest in service.kept.items()]
    result = compare(
        read_events(path), rows, [(f"{offer}.rhs", digest) for offer, digest in service.kept.items()]
    )
    assert (result.acknowledged, result.lost, result.unexpected) == (0, 0, 0)
    assert result.recovered == result.attempted == len(service.kept)


def test_an_answer_with_another_hash_is_no_acknowledgement(
    service: OfferServer, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    service.mood = "wrong"
    with Ledger(tmp_path / "l", target(service, certificate[0]), FAST) as ledger:
        assert wait_until(lambda: ledger.failures.get("wrong answer", 0) >= 4, 10, 0.01)
    assert ledger.acknowledged == 0


def test_a_certificate_of_another_authority_or_name_is_refused(service: OfferServer, tmp_path: Path) -> None:
    other = make_certificate(tmp_path, "other.example")[0]
    with Ledger(tmp_path / "l", target(service, other), FAST) as ledger:
        assert wait_until(lambda: sum(ledger.failures.values()) >= 4, 10, 0.01)
    assert ledger.acknowledged == 0
    assert service.seen == []
    assert all(reason.startswith("certificate: ") for reason in ledger.failures)
    mine = tmp_path / f"{NAME}.crt"
    with Ledger(tmp_path / "m", target(service, mine, "other.example"), FAST) as ledger:
        assert wait_until(lambda: sum(ledger.failures.values()) >= 4, 10, 0.01)
    assert service.seen == []


def test_it_goes_on_when_the_service_is_back(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    first = OfferServer(*certificate)
    with Ledger(tmp_path / "l", target(first, certificate[0]), FAST) as ledger:
        assert wait_until(lambda: ledger.acknowledged >= 8, 10, 0.01)
        first.close()
        assert wait_until(lambda: ledger.failures.get("refused", 0) >= 4, 10, 0.01)
        before = ledger.acknowledged
        second = OfferServer(*certificate, port=first.port)
        assert wait_until(lambda: ledger.acknowledged >= before + 8, 10, 0.01)
    second.close()


def test_a_writer_that_breaks_is_not_silent(
    service: OfferServer, certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / "l", target(service, certificate[0]), FAST)

    def full(event: dict[str, Any]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ledger, "attempt", full)
    ledger.start()
    with pytest.raises(OSError, match="No space left"):
        ledger.stop()


def test_a_ledger_is_never_reused(
    service: OfferServer, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "l").touch()
    with pytest.raises(UsageError):
        Ledger(tmp_path / "l", target(service, certificate[0]), FAST)


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with DurableLog(path) as log:
        log.append({"event": "start"})
    with path.open("ab") as file:
        file.write(b'{"event":"att')
    assert read_events(path) == [{"event": "start"}]


def test_threads_share_syncs_and_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "log"

    def write(number: int) -> None:
        for count in range(25):
            log.append({"writer": number, "count": count})

    with DurableLog(path) as log:
        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    events = read_events(path)
    assert len(events) == 200
    for number in range(8):
        assert [event["count"] for event in events if event["writer"] == number] == list(range(25))
