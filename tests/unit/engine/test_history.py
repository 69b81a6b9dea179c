"""Copies of a journal: which lines are its history, how two copies stand to each other, catching up."""

import json
from pathlib import Path

import pytest

from lpse_ops.engine.catchup import catch_up, fetch
from lpse_ops.engine.history import Copies, chain, copies_of, relation
from lpse_ops.engine.journal import Event, Journal, event_hash, read_events
from lpse_ops.errors import FaultsFound, Refused
from lpse_ops.remote.fake import FakeFleet

RUN = "run-1"


def made(folder: Path, *kinds: str, begin: Path | None = None) -> list[Event]:
    """Return the events of a journal in a folder of its own, going on where the journal in `begin` stands."""
    if begin is not None:
        folder.mkdir()
        (folder / f"{RUN}.jsonl").write_bytes((begin / f"{RUN}.jsonl").read_bytes())
        journal = Journal.open(folder, RUN)
    else:
        journal = Journal.create(folder, RUN)
    for kind in kinds:
        journal.append(kind.partition(":")[0], **({"token": int(kind[-1])} if ":" in kind else {}))
    journal.close()
    return read_events(folder / f"{RUN}.jsonl")


def lines(events: list[Event]) -> list[str]:
    return [json.dumps(event) for event in events]


@pytest.fixture
def first(tmp_path: Path) -> list[Event]:
    return made(tmp_path / "one", "run-started:1", "intent", "outcome")


@pytest.fixture
def second(tmp_path: Path, first: list[Event]) -> list[Event]:
    """Another controller went on from `first`."""
    return made(tmp_path / "two", "resumed:2", "run-ended", begin=tmp_path / "one")


@pytest.fixture
def orphan(tmp_path: Path, first: list[Event]) -> list[Event]:
    """The first controller wrote on after the second had taken over."""
    return made(tmp_path / "orphan", "intent", "outcome", "intent", "outcome", begin=tmp_path / "one")


def test_lines_are_put_in_order_and_what_does_not_belong_is_left_out(first: list[Event]) -> None:
    foreign = {**first[1], "run": "run-2"}
    edited = {**first[2], "status": "done"}
    mixed = [*lines(first)[::-1], '{"torn', json.dumps(foreign), json.dumps(edited), *lines(first)]
    assert chain(RUN, mixed) == first


def test_where_two_controllers_wrote_the_higher_token_counts(
    second: list[Event], orphan: list[Event]
) -> None:
    assert chain(RUN, [*lines(orphan), *lines(second)]) == second
    assert chain(RUN, [*lines(second), *lines(orphan)]) == second


def test_what_follows_a_missing_event_is_no_history(first: list[Event]) -> None:
    assert chain(RUN, lines([first[0], first[2]])) == first[:1]


def test_relations(first: list[Event], second: list[Event], orphan: list[Event]) -> None:
    assert relation(first, first) == ("same", 3)
    assert relation(first, first[:2]) == ("ahead", 2)
    assert relation(first[:2], first) == ("cut", 2)
    assert relation(first, second) == ("continued", 3)
    assert relation(orphan, second) == ("continued", 3)
    assert relation(second, orphan) == ("altered", 3)


def test_catching_up_keeps_what_is_no_history_any_more(
    tmp_path: Path, second: list[Event], orphan: list[Event]
) -> None:
    folder = tmp_path / "orphan"
    assert catch_up(folder, RUN, Copies({"node2": second})) == "node2"
    assert read_events(folder / f"{RUN}.jsonl") == second
    kept = (folder / f"{RUN}.tail-4").read_text().splitlines()
    assert [json.loads(line) for line in kept] == orphan[3:]
    assert catch_up(folder, RUN, Copies({"node2": second})) == ""


def test_a_controller_that_never_saw_the_run_gets_all_of_it(tmp_path: Path, second: list[Event]) -> None:
    folder = tmp_path / "empty"
    assert catch_up(folder, RUN, Copies({"repository": second[:3], "node2": second})) == "node2"
    assert read_events(folder / f"{RUN}.jsonl") == second
    assert (folder / f"{RUN}.jsonl").stat().st_mode & 0o777 == 0o600


def test_copies_that_tell_different_stories_stop_everything(tmp_path: Path, first: list[Event]) -> None:
    forged = {**first[2], "type": "outcome", "status": "done"}
    forged["hash"] = event_hash(forged)
    with pytest.raises(FaultsFound, match="from event 3 on"):
        catch_up(tmp_path / "one", RUN, Copies({"repository": [*first[:2], forged]}))
    assert read_events(tmp_path / "one" / f"{RUN}.jsonl") == first


def test_copies_are_fetched_from_all_that_answer(first: list[Event]) -> None:
    fleet = FakeFleet(dead={"node1"})
    fleet.script("repository", "journal-show", {"runs": ["run-0", RUN]}, {"run": RUN, "lines": lines(first)})
    fleet.script("node2", "journal-show", Refused("this host has no journal of run run-1"))
    run, copies = fetch(fleet, "repository", ["node1", "node2"], None)
    assert (run, copies.longest()) == (RUN, ("repository", first))
    assert set(copies.unseen) == {"node1", "node2"}
    assert copies_of(fleet, ["node1"], RUN).longest() == ("", ())


def test_a_host_without_an_unfinished_run_is_refused(second: list[Event]) -> None:
    fleet = FakeFleet()
    fleet.script("repository", "journal-show", {"runs": [RUN]}, {"run": RUN, "lines": lines(second)})
    with pytest.raises(Refused) as caught:
        fetch(fleet, "repository", [], "run-9")
    assert RUN in caught.value.reasons[0]
