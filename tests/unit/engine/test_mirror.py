"""Waiting for the mirrors: all that work must have an event; one that fails or hangs holds nobody up for long."""

import threading
from collections.abc import Callable

from lpse_ops.engine.mirror import Mirror, everywhere, unacknowledged
from lpse_ops.remote.fake import Call, FakeFleet

EVENT = {"type": "run-started"}
LINE = '{"type": "run-started"}\n'


def mirrors(**answers: Callable[[Call], dict[str, int]]) -> list[Mirror]:
    fleet = FakeFleet()
    for host, answer in answers.items():
        fleet.script(host, "journal-append", answer)
    found = [Mirror(host, fleet.channel(host, ["journal-append"])) for host in answers]
    for mirror in found:
        mirror.listener(EVENT, LINE)
    return found


def stored(_call: Call) -> dict[str, int]:
    return {"seq": 1}


def refused(_call: Call) -> dict[str, int]:
    return {"error": 1}


def test_every_mirror_that_works_is_waited_for() -> None:
    later = threading.Event()

    def late(_call: Call) -> dict[str, int]:
        assert later.wait(30)
        return {"seq": 1}

    pair = mirrors(repository=late, node2=stored)
    assert unacknowledged(pair, 5) == ""  # one is enough for an act
    assert not everywhere(pair, 0.1)
    later.set()
    assert everywhere(pair, 5)


def test_one_that_failed_is_not_waited_for() -> None:
    assert everywhere(mirrors(repository=refused, node2=stored), 5)
    assert everywhere([], 0)
