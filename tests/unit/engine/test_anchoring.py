"""Whether a journal can be vouched for: its end and its site, by the copies on the hosts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lpse_ops.engine.anchoring import check
from lpse_ops.engine.journal import Event, Journal, event_hash
from lpse_ops.errors import FaultsFound, Refused
from lpse_ops.remote.fake import FakeFleet
from tests.support.journals import RUN, lines, shorten

SITE = cast(Any, SimpleNamespace(name="office"))


@pytest.fixture
def events(tmp_path: Path) -> list[Event]:
    """A run of the site `office` with five events, its journal in `tmp_path`."""
    journal = Journal.create(tmp_path, RUN)
    journal.append("run-started", plan={"site": "office", "hosts": ["node2", "repository"]}, token=1)
    for kind in ("intent", "outcome", "intent", "outcome"):
        journal.append(kind, step="a")
    journal.close()
    return journal.events


def fleet(node2: list[Event] | None, repository: list[Event] | None) -> FakeFleet:
    """Hosts that hold these events of the run; None: no copy."""
    made = FakeFleet()
    for host, held in (("node2", node2), ("repository", repository)):
        answer = Refused("this host has no journal of run run-1") if held is None else {"lines": lines(held)}
        made.script(host, "journal-show", answer)
    return made


def faults(folder: Path, hosts: FakeFleet) -> tuple[str, ...]:
    with pytest.raises(FaultsFound) as caught:
        check(SITE, hosts, folder, RUN)
    return tuple(caught.value.reasons)


def test_a_journal_is_anchored_where_its_copies_agree(tmp_path: Path, events: list[Event]) -> None:
    found = check(SITE, fleet(events[:3], events), tmp_path, RUN)
    assert (found["events"], found["hash"]) == (5, events[-1]["hash"])
    assert found["anchors"] == {"node2": 3, "repository": 5}
    assert found["unseen"] == {}


def test_a_cut_tail_is_found(tmp_path: Path, events: list[Event]) -> None:
    shorten(tmp_path, 3)
    told = faults(tmp_path, fleet(None, events))
    assert told == ("2 events are missing at the end: repository holds 5, this journal 3.",)


def test_without_a_copy_a_journal_is_unanchored(tmp_path: Path, events: list[Event]) -> None:
    told = faults(tmp_path, fleet(None, None))
    assert told[0].startswith("unanchored")
    assert "node2: this host has no journal of run run-1" in told


def test_what_no_copy_holds_is_unanchored_from_there_on(tmp_path: Path, events: list[Event]) -> None:
    told = faults(tmp_path, fleet(events[:2], events[:4]))
    assert "from event 5 on" in told[0]


def test_a_copy_that_tells_something_else_is_found(tmp_path: Path, events: list[Event]) -> None:
    forged = {**events[4], "status": "failed"}
    forged["hash"] = event_hash(forged)
    told = faults(tmp_path, fleet(None, [*events[:4], forged]))
    assert "the copy on repository tells something else from event 5 on" in told[0]


def test_a_journal_of_another_site_is_found(tmp_path: Path, events: list[Event]) -> None:
    with pytest.raises(FaultsFound) as caught:
        check(cast(Any, SimpleNamespace(name="branch")), fleet(events, events), tmp_path, RUN)
    assert caught.value.reasons == ("It is a journal of the site office, not of branch.",)
