"""Where two histories part, what lies beyond, and which documents only one side has."""

from typing import Any

import pytest

from lpse_ops.observe.divergence import Document, Fork, Leg, beyond, fork_of, legs, only_there
from lpse_ops.observe.facts import Database
from lpse_ops.observe.lsn import Lsn
from lpse_ops.observe.strict import read


def database(*left: str, place: str = "0/9000000", system: str = "7", **more: Any) -> Database:
    """Return a database whose timelines 1, 2 ... were left at the places given; it is on the next one now."""
    history = [{"timeline": number, "until": until} for number, until in enumerate(left, 1)]
    data = {
        "running": False,
        "system_id": system,
        "timeline": len(left) + 1,
        "history": history,
        "checkpoint": place,
    }
    return read(Database, data | more, "node")


def at(timeline: int, place: str) -> Fork:
    return Fork(timeline, Lsn.parse(place))


CASES: dict[str, tuple[Database, Database, Fork | None]] = {
    "the old node after a failover": (database("0/5000148"), database(), at(1, "0/5000148")),
    "a standby of the same history": (database("0/5000148"), database("0/5000148"), None),
    "nothing has parted": (database(), database(), None),
    "the standby was promoted by hand": (database(), database("0/5000148"), at(1, "0/5000148")),
    "both were, at different places": (database("0/6000000"), database("0/5000000"), at(1, "0/5000000")),
    "after the second failover": (
        database("0/3000000", "0/5000148"),
        database("0/3000000"),
        at(2, "0/5000148"),
    ),
    "an ancestor of long ago": (database("0/3000000", "0/5000148"), database(), at(1, "0/3000000")),
    "another database": (database("0/5000148"), database(system="8"), None),
    "the other's timeline is unknown": (database("0/5000148"), database(timeline=None), None),
}


@pytest.mark.parametrize(("one", "other", "fork"), CASES.values(), ids=CASES)
def test_where_histories_part(one: Database, other: Database, fork: Fork | None) -> None:
    assert fork_of(one, other) == fork
    assert fork_of(other, one) == fork


def test_a_timeline_number_that_was_left_out() -> None:
    skipped = read(
        Database,
        {"system_id": "7", "timeline": 3, "history": [{"timeline": 1, "until": "0/5000148"}]},
        "node",
    )
    assert fork_of(skipped, database("0/5000148")) == at(1, "0/5000148")


def test_bytes_beyond_are_seen_in_the_control_file() -> None:
    assert beyond(database("0/5000148"), database(place="0/5000348")) == 0x200
    assert beyond(database("0/5000148"), database(place="0/4000000")) == 0
    assert beyond(database("0/5000148"), database("0/5000148")) == 0


@pytest.mark.parametrize(
    ("active", "other", "expected"),
    [
        (database("0/5000148"), database(), [(1, "0/5000148", None)]),
        (database(), database("0/5000148"), [(2, "0/5000148", None)]),
        (
            database("0/5000000"),
            database("0/6000000"),
            [(1, "0/5000000", "0/6000000"), (2, "0/6000000", None)],
        ),
        (database("0/6000000"), database("0/5000000"), [(2, "0/5000000", None)]),
    ],
)
def test_which_log_is_only_there(
    active: Database, other: Database, expected: list[tuple[int, str, str | None]]
) -> None:
    fork = fork_of(active, other)
    assert fork is not None
    assert legs(other, fork) == [
        Leg(timeline, Lsn.parse(start), Lsn.parse(until) if until else None)
        for timeline, start, until in expected
    ]


def test_documents_are_told_apart_by_name_size_and_time() -> None:
    ours = [["a", 1, 1.0], ["b", 2, 2.0], ["c", 3, 3.0], ["new", 9, 9.0]]
    theirs = [["a", 1, 1.0], ["b", 3, 2.0], ["c", 3, 4.0], ["z", 7, 8.0], ["y", 7, 7.0]]
    missing, different = only_there(theirs, ours)
    assert missing == [Document("y", 7, 7.0), Document("z", 7, 8.0)]
    assert different == [Document("b", 3, 2.0), Document("c", 3, 4.0)]
