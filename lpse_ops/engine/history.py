"""The history of a run where several machines keep it: which lines belong together, and which copy is true.

A mirror holds lines as they came. One that two controllers wrote to, one after the other, may hold the end of the
first one's history (written before it was cut off) beside the second one's. The hashes tell them apart: events form a
tree by their ``previous``; where it forks, the branch of the higher fencing token is the run's history, because every
host has refused the other one's commands since that token was handed out.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from lpse_ops.engine.journal import Event, event_hash, parse_event
from lpse_ops.errors import LpseError
from lpse_ops.remote import Remote

Relation = Literal["same", "ahead", "cut", "continued", "altered"]


@dataclass(frozen=True)
class Copies:
    """What hosts hold of a run's journal: `events` by host, and why (by host) nothing could be had of it."""

    events: Mapping[str, Sequence[Event]] = field(default_factory=dict)
    unseen: Mapping[str, LpseError] = field(default_factory=dict)

    def longest(self) -> tuple[str, Sequence[Event]]:
        """Return the host with the copy to go on with, and that copy ("" and none if there is no copy at all)."""
        best = max(self.events, key=lambda host: _weight(self.events[host]), default="")
        return best, self.events.get(best, ())


def chain(run: str, lines: Iterable[str]) -> list[Event]:
    """Given a run and lines in any order, return its events in theirs; what belongs to no chain is left out."""
    children: dict[str, list[Event]] = defaultdict(list)
    for line in dict.fromkeys(lines):
        event = parse_event(line.encode())
        if event is not None and event["run"] == run and event["hash"] == event_hash(event):
            children[event["previous"]].append(event)
    best: dict[str, tuple[int, int, Event | None]] = defaultdict(lambda: (0, 0, None))
    for event in sorted((e for found in children.values() for e in found), key=_seq, reverse=True):
        token, length, _child = best[event["hash"]]
        here = (max(token, int(event.get("token", 0))), length + 1, event)
        if here[:2] > best[event["previous"]][:2]:
            best[event["previous"]] = here
    history: list[Event] = []
    step = best[run][2]
    while step is not None and step["seq"] == len(history) + 1:
        history.append(step)
        step = best[step["hash"]][2]
    return history


def copies_of(remote: Remote, hosts: Sequence[str], run: str) -> Copies:
    """Given hosts and a run, return what each of them holds of its journal. Raise nothing of a host's."""
    events: dict[str, Sequence[Event]] = {}
    unseen: dict[str, LpseError] = dict(remote.open(hosts))
    for host in hosts:
        if host in unseen:
            continue
        try:
            lines = remote.node(host, ["journal-show", "--run", run]).data["lines"]
        except LpseError as error:
            unseen[host] = error
        else:
            events[host] = chain(run, lines)
    return Copies(events, unseen)


def relation(local: Sequence[Event], other: Sequence[Event]) -> tuple[Relation, int]:
    """Given the events here and those of another copy, return how they stand, and how many they share.

    ``same``; ``ahead``: the other lacks the end; ``cut``: the end is missing here; ``continued``: another controller
    went on from there (what this one wrote beyond that point is no part of the run's history any more); ``altered``:
    the two tell different stories.
    """
    shared = 0
    for ours, theirs in zip(local, other, strict=False):
        if ours["hash"] != theirs["hash"]:
            break
        shared += 1
    if shared == len(other):
        return ("same" if shared == len(local) else "ahead"), shared
    if other[shared]["type"] == "resumed":
        return "continued", shared
    return ("cut" if shared == len(local) else "altered"), shared


def _seq(event: Event) -> int:
    return int(event["seq"])


def _weight(events: Sequence[Event]) -> tuple[int, int]:
    return max((int(event.get("token", 0)) for event in events), default=0), len(events)
