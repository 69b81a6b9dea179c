"""Failover as pure logic: who takes over, everything that forbids it, and a plan whose order is the safety argument."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lpse_ops.observe.facts import NodeState
from lpse_ops.observe.power import PowerReading
from lpse_ops.observe.site import HostView, SiteObservation
from lpse_ops.plan import Plan, faults_of
from lpse_ops.plan.graph import ancestors
from lpse_ops.procedures.choice import choose
from lpse_ops.procedures.failover import PROOFS, build
from lpse_ops.site import Site

SITE = cast(
    Site,
    SimpleNamespace(
        name="lab",
        nodes={
            "node1": SimpleNamespace(address="198.51.100.11"),
            "node2": SimpleNamespace(address="198.51.100.12"),
        },
        repository=SimpleNamespace(name="repository"),
        service=SimpleNamespace(address="198.51.100.10"),
        fencing=SimpleNamespace(reread_after_s=2.0, silent_for_s=1.0),
        instance=SimpleNamespace(start_timeout_s=120.0),
        time_zone="Asia/Jakarta",
        policy=SimpleNamespace(max_clock_offset_s=1.0),
        other=lambda node: "node2" if node == "node1" else "node1",
    ),
)


def state(host: str, **changes: Any) -> NodeState:
    record = {"site": "lab", "system_id": "7", "epoch": 1, "active": "node1", "run": "r", "witnessed": True}
    standby = {"running": True, "in_recovery": True, "system_id": "7", "standbys": []}
    data: dict[str, Any] = {
        "version": "0.1.0",
        "node": host,
        "site": "lab",
        "time": 1.0,
        "zone": "Asia/Jakarta",
        "record": record,
        "database": None if host == "repository" else standby,
        "samples": [],
    }
    return NodeState.parse({**data, **changes}, host)


def healthy() -> NodeState:
    return state(
        "node1",
        database={"running": True, "in_recovery": False, "system_id": "7", "standbys": []},
        application={"state": "active", "ready": True},
        proxy={"running": True, "open": True},
        address={"held": True},
    )


def seen(power: str | None = "off", **hosts: NodeState | None) -> SiteObservation:
    states = {"node1": None, "node2": state("node2"), "repository": state("repository"), **hosts}
    views = {
        host: HostView(host, found, error=None if found else "no answer") for host, found in states.items()
    }
    reading = PowerReading("node1", cast(Any, power), 1.0, 0.1, None, None if power else "no answer")
    return SiteObservation(1.0, 0.1, views, {"node1": reading})


def reasons(observed: SiteObservation, to: str | None = None) -> list[str]:
    choice, why_not = choose(SITE, observed, to)
    assert (choice is None) == bool(why_not)
    return why_not


def made() -> Plan:
    choice, _why_not = choose(SITE, seen(), None)
    assert choice is not None
    return build(SITE, choice, seen(), {"yes": True})


def test_a_wrong_clock_is_found_out_before_anything_is_done() -> None:
    observed = seen()
    off = replace(observed.hosts["node2"], offset_s=-4.0, seconds=0.2)
    told = reasons(replace(observed, hosts={**observed.hosts, "node2": off}))
    assert len(told) == 1
    assert "clock of node2" in told[0]


def test_the_standby_takes_over_with_the_next_epoch() -> None:
    choice, why_not = choose(SITE, seen(), None)
    assert not why_not
    assert choice is not None
    assert (choice.old, choice.new) == ("node1", "node2")
    assert choice.record == {
        "site": "lab",
        "system_id": "7",
        "epoch": 2,
        "active": "node2",
        "witnessed": True,
    }


def test_a_half_dead_active_node_can_be_failed_over() -> None:
    assert reasons(seen("on", node1=state("node1", database={"running": False, "standbys": []}))) == []


RECORD_2 = {"site": "lab", "system_id": "7", "epoch": 2, "active": "node1", "run": "r2", "witnessed": True}


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        (seen("on", node1=healthy()), "is healthy"),
        (seen(None), "power of node1 cannot be read"),
        (seen(repository=None), "repository could not be seen"),
        (seen(node2=None), "node2 could not be seen"),
        (seen(repository=state("repository", record=None)), "no readable epoch record"),
        (seen(repository=state("repository", record=RECORD_2)), "another voter says 2"),
        (seen(node2=state("node2", database={"running": False, "standbys": []})), "does not run"),
        (
            seen(node2=state("node2", database={"running": True, "in_recovery": False, "standbys": []})),
            "open for writes",
        ),
        (
            seen(node2=state("node2", database={"running": True, "in_recovery": None, "standbys": []})),
            "answers no query",
        ),
        (seen(node2=state("node2", disk={"mount": "/var", "free_mb": 63})), "only 63 MB free on /var"),
        (
            seen(
                node2=state(
                    "node2",
                    database={"running": True, "in_recovery": True, "system_id": "8", "standbys": []},
                )
            ),
            "another database",
        ),
        (seen(node2=state("node2", zone="Etc/UTC")), "zone Etc/UTC"),
        (seen(node2=None, repository=None), "No voter shows an epoch record"),
    ],
)
def test_every_obstacle_is_a_reason(observed: SiteObservation, words: str) -> None:
    assert any(words in reason for reason in reasons(observed)), reasons(observed)


def test_all_reasons_are_named_at_once() -> None:
    bad = seen(None, node2=state("node2", zone="Etc/UTC", database={"running": False, "standbys": []}))
    assert len(reasons(bad)) == 3


def test_failing_over_to_the_active_node_is_refused() -> None:
    assert any("is the active node already" in reason for reason in reasons(seen(), "node1"))


def test_the_plan_is_sound() -> None:
    assert faults_of(made()) == []


@pytest.mark.parametrize("step", ["database.promote", "address.claim", "application.start", "proxy.open"])
def test_nothing_acts_in_the_name_of_the_dead_before_every_proof(step: str) -> None:
    before = ancestors(made(), step)
    assert {*PROOFS, "fence.gate", "loss.state", "loss.confirm"} <= before


def test_both_voters_have_the_epoch_before_the_promotion() -> None:
    assert {"epoch.repository", "epoch.node2"} <= ancestors(made(), "database.promote")


def test_promotion_address_and_application_do_not_wait_for_each_other() -> None:
    plan = made()
    trio = {"database.promote", "address.claim", "application.start"}
    for step in trio:
        assert not trio & ancestors(plan, step)


def test_time_is_checked_before_the_public_is_let_in() -> None:
    assert "clock.check" in ancestors(made(), "proxy.open")


def test_the_shipped_safety_waits_are_in_the_plan() -> None:
    plan = made()
    assert plan.step("fence.power-still-off").args["after_s"] == 2.0
    assert plan.step("fence.address-silent").args["for_s"] == 1.0
