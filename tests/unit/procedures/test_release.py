"""May an operator's word open a node? Every reason against it, and only those."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lpse_ops.observe.facts import NodeState
from lpse_ops.observe.power import Power, PowerReading
from lpse_ops.observe.site import HostView, SiteObservation
from lpse_ops.procedures.release import against_release, already_open
from lpse_ops.site import Site
from tests.support.observed import NOW, bent, host

SITE = cast(Site, SimpleNamespace(other=lambda node: "node2" if node == "node1" else "node1"))
HOLDING = {"state": "holding", "open": False, "reason": "no other voter confirms epoch 1"}


def holding() -> dict[str, Any]:
    """node1 after a start with nobody to ask."""
    data = bent("node1", "guard", HOLDING)
    return data | {"database": data["database"] | {"running": False, "in_recovery": None}}


def seen(*hosts: dict[str, Any], power: Power | None = "off") -> SiteObservation:
    said = {data["node"]: NodeState.parse(data, data["node"]) for data in hosts}
    views = {
        name: HostView(name, said.get(name), error=None if name in said else "no route to it")
        for name in ("node1", "node2", "repository")
    }
    return SiteObservation(NOW, 0.2, views, {"node2": PowerReading("node2", power, NOW, 0.1)})


def test_a_node_whose_voters_are_gone_may_be_released() -> None:
    assert against_release(SITE, seen(holding()), "node1") == []
    assert against_release(SITE, seen(holding(), power=None), "node1") == []
    # Voters that the controller sees and that agree are no reason against it.
    assert against_release(SITE, seen(holding(), host("repository")), "node1") == []


RECORD = host("node1")["record"]
HIGHER = bent("repository", "record", RECORD | {"epoch": 2, "active": "node2"})
OTHER = bent("repository", "record", RECORD | {"active": "node2"})
WRITING = bent("node2", "database.in_recovery", False)


@pytest.mark.parametrize(
    ("observation", "words"),
    [
        (seen(), "node1 could not be seen"),
        (seen(host("node1")), "does not hold: it is active"),
        (seen(bent("node1", "record", None)), "no readable epoch record"),
        (seen(holding() | {"record": RECORD | {"active": "node2"}}), "names node2 active, not node1"),
        (seen(holding(), HIGHER), "repository knows epoch 2, in which node2 is active"),
        (seen(holding(), OTHER), "repository knows epoch 1, in which node2 is active"),
        (seen(holding(), WRITING), "database of node2 is open for writes"),
        (seen(holding(), power="on"), "node2 has power but cannot be seen"),
    ],
)
def test_every_reason_against_it(observation: SiteObservation, words: str) -> None:
    told = against_release(SITE, observation, "node1")
    assert any(words in reason for reason in told), told


def test_all_reasons_at_once() -> None:
    told = against_release(SITE, seen(bent("node1", "record", None), HIGHER, power="on"), "node1")
    assert len(told) == 4


def test_a_node_that_is_open_needs_no_word() -> None:
    assert already_open(seen(host("node1")), "node1")
    assert not already_open(seen(holding()), "node1")
    assert not already_open(replace(seen(), hosts={}), "node1")
