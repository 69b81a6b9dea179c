"""What one node's database holds that the other's never had: where their histories part, and what lies beyond.

Pure, no I/O.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from lpse_ops.observe.facts import Database
from lpse_ops.observe.lsn import Lsn


@dataclass(frozen=True)
class Fork:
    """Where two histories part: the last place in the log that both have, and the timeline it is on."""

    timeline: int
    at: Lsn


@dataclass(frozen=True)
class Leg:
    """A stretch of one node's own log: on `timeline`, from `start` until `until` (None: as far as it goes)."""

    timeline: int
    start: Lsn
    until: Lsn | None


@dataclass(frozen=True)
class Document:
    """A document: name in the tree, bytes, time of change in seconds since 1970."""

    name: str
    bytes: int
    time: float


def fork_of(one: Database, other: Database) -> Fork | None:
    """Given two databases, return where they part; None if one is the other's past, or if it cannot be told."""
    if one.system_id is None or one.system_id != other.system_id:
        return None
    last = 0
    for mine, theirs in zip_longest(_lines(one), _lines(other)):
        if mine is None or theirs is None or mine[0] != theirs[0]:
            # The same until here, then different timelines: they part where the one that goes on left the shared one.
            return None if last == 0 else _parted(one, other, last)
        if mine[1] != theirs[1]:
            return Fork(mine[0], min(end for end in (mine[1], theirs[1]) if end is not None))
        last = mine[0]
    return None


def _lines(database: Database) -> list[tuple[int, Lsn | None]]:
    """Return the timelines of a database, the oldest first, each with where it was left (None: not yet)."""
    if database.timeline is None:
        return []
    return [*((step.timeline, step.until) for step in database.history), (database.timeline, None)]


def _parted(one: Database, other: Database, last: int) -> Fork | None:
    ends = [step.until for base in (one, other) for step in base.history if step.timeline == last]
    return Fork(last, min(ends)) if ends else None


def place_of(database: Database) -> Lsn | None:
    """Return how far a database is known to reach in the log, running or not."""
    places = (database.lsn, database.receive_lsn, database.replay_lsn, database.checkpoint)
    return max((place for place in places if place), default=None)


def beyond(active: Database, other: Database) -> int:
    """Return how many bytes of log the other node is seen to have that the active one never had.

    0 where nothing is seen: a database that was cut off may have more in its files than its last checkpoint tells.
    """
    fork, place = fork_of(active, other), place_of(other)
    return max(0, place - fork.at) if fork and place else 0


def legs(other: Database, fork: Fork) -> list[Leg]:
    """Given a node's database and where it parts from the active one's, return the stretches of log beyond that."""
    found = []
    for timeline, until in _lines(other):
        if timeline == fork.timeline and (until is None or until > fork.at):
            found.append(Leg(timeline, fork.at, until))
        elif timeline > fork.timeline:
            start = found[-1].until if found and found[-1].until else fork.at
            found.append(Leg(timeline, start, until))
    return found


def only_there(
    theirs: Sequence[Sequence[Any]], ours: Sequence[Sequence[Any]]
) -> tuple[list[Document], list[Document]]:
    """Given two lists of [name, bytes, time], return the documents missing in ours, and those that are others there."""
    here: Mapping[str, tuple[int, float]] = {str(name): (int(size), float(time)) for name, size, time in ours}
    missing, different = [], []
    for name, size, time in theirs:
        document = Document(str(name), int(size), float(time))
        if document.name not in here:
            missing.append(document)
        elif here[document.name] != (document.bytes, document.time):
            different.append(document)
    return sorted(missing, key=lambda d: d.time), sorted(different, key=lambda d: d.time)
