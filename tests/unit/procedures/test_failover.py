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
from lpse_ops.procedures.choice import attestable, choose, hidden
from lpse_ops.procedures.failover import ATTESTED_PROOFS, PROOFS, build
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
        database=SimpleNamespace(port=5432),
        instance=SimpleNamespace(start_timeout_s=120.0, port=9090),
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


def reached(observed: SiteObservation, host: str = "node1") -> SiteObservation:
    """The same, but something answered on the SSH port of the host."""
    view = replace(observed.hosts[host], reached=True)
    return replace(observed, hosts={**observed.hosts, host: view})


def sampled(at: float, *, active: str = "node1", ok: bool = True) -> list[dict[str, Any]]:
    return [{"time": at, "ok": ok, "active": active, "lsn": "0/3000"}]


def reasons(observed: SiteObservation, to: str | None = None, *, attested: bool = False) -> list[str]:
    choice, why_not = choose(SITE, observed, to, attested=attested)
    assert (choice is None) == bool(why_not)
    return why_not


ATTEST = {"words": "I stand before it: no lamp is lit", "by": "ani@here:1", "attested_at": 5.0}


def made(power: str | None = "off") -> Plan:
    choice, _why_not = choose(SITE, seen(power), None, attested=power is None)
    assert choice is not None
    return build(SITE, choice, seen(power), {"yes": True, "attest": ATTEST if power is None else None})


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


STREAMS = {"running": True, "in_recovery": True, "system_id": "7", "standbys": [], "received_at": 1.5}


@pytest.mark.parametrize("power", ["on", "off", None])
@pytest.mark.parametrize("attested", [False, True])
def test_a_node_that_others_reach_is_behind_a_network_fault(power: str | None, attested: bool) -> None:
    """The look began at 1.0; what was heard later is life, whatever a BMC or a person says."""
    for hosts in (
        {"repository": state("repository", samples=sampled(1.5))},
        {"node2": state("node2", samples=sampled(1.5))},
        {"node2": state("node2", database=STREAMS)},
    ):
        told = reasons(seen(power, **hosts), attested=attested)
        assert any("network fault" in reason for reason in told), told


@pytest.mark.parametrize("samples", [sampled(0.5), sampled(1.5, ok=False), sampled(1.5, active="node2"), []])
def test_what_was_heard_before_or_of_another_is_no_life(samples: list[dict[str, Any]]) -> None:
    old_log = state("node2", database={**STREAMS, "received_at": 0.9}, samples=samples)
    assert reasons(seen("on", node2=old_log, repository=state("repository", samples=samples))) == []


def test_clocks_that_differ_are_reckoned_with() -> None:
    observed = seen("on", repository=state("repository", samples=sampled(1.5)))
    ahead = replace(observed.hosts["repository"], offset_s=0.8, seconds=0.1)
    assert reasons(replace(observed, hosts={**observed.hosts, "repository": ahead})) == []
    behind = replace(observed.hosts["repository"], offset_s=-0.8, seconds=0.1)
    assert reasons(replace(observed, hosts={**observed.hosts, "repository": behind}))


@pytest.mark.parametrize("attested", [False, True])
def test_a_host_that_answers_while_its_power_reads_off_is_refused(attested: bool) -> None:
    told = reasons(reached(seen("off")), attested=attested)
    assert len(told) == 1
    assert "reads off, but node1 still answers" in told[0]
    # Not even a half-dead one that shows itself.
    half = state("node1", database={"running": False, "standbys": []})
    assert any("still answers" in reason for reason in reasons(reached(seen("off", node1=half))))


def test_an_attestation_stands_in_for_a_power_that_cannot_be_read() -> None:
    choice, why_not = choose(SITE, seen(None), None, attested=True)
    assert why_not == []
    assert choice is not None
    assert choice.attested
    assert attestable(seen(None)) == "node1"
    told = reasons(reached(seen(None)), attested=True)
    assert any("cannot be attested" in reason for reason in told), told
    assert attestable(reached(seen(None))) is None


@pytest.mark.parametrize("power", ["on", "off"])
def test_an_attestation_is_not_taken_where_the_power_can_be_read(power: str) -> None:
    choice, why_not = choose(SITE, seen(power), None, attested=True)
    assert why_not == []
    assert choice is not None
    assert not choice.attested
    assert attestable(seen(power)) is None


def test_where_the_inventory_names_no_program_only_a_person_can_say() -> None:
    without = replace(seen(), power={})
    assert any("no program" in reason for reason in reasons(without))
    assert reasons(without, attested=True) == []


def test_who_may_hide_behind_a_network_fault() -> None:
    assert hidden(seen("off")) is None
    assert hidden(seen("on", node1=healthy())) is None
    assert hidden(seen("on")) == hidden(seen(None)) == "node1"


@pytest.mark.parametrize("power", ["off", None])
def test_the_plan_is_sound(power: str | None) -> None:
    assert faults_of(made(power)) == []


@pytest.mark.parametrize("step", ["database.promote", "address.claim", "application.start", "proxy.open"])
def test_nothing_acts_in_the_name_of_the_dead_before_every_proof(step: str) -> None:
    before = ancestors(made(), step)
    assert {"fence.power-off", *PROOFS, "fence.gate", "loss.state", "loss.confirm"} <= before
    before = ancestors(made(None), step)
    assert {"fence.attest", *ATTESTED_PROOFS, "fence.gate", "loss.state", "loss.confirm"} <= before


@pytest.mark.parametrize(("power", "first"), [("off", "fence.power-off"), (None, "fence.attest")])
def test_the_proofs_run_side_by_side_after_the_fencing(power: str | None, first: str) -> None:
    plan = made(power)
    gate = plan.step("fence.gate")
    assert gate.args["proofs"] == list(ATTESTED_PROOFS if power is None else PROOFS)
    assert gate.args["fenced_by"] == first
    for proof in gate.args["proofs"]:
        assert plan.step(proof).needs == (first,)


def test_an_attested_plan_switches_nothing_and_says_so() -> None:
    plan = made(None)
    assert not any(change.startswith("power") for step in plan.steps for change in step.changes)
    assert (plan.facts["fencing"], made().facts["fencing"]) == ("attested", "proven")
    assert {key: plan.step("fence.attest").args[key] for key in ATTEST} == ATTEST
    # Without a power to read again, a resume must find the old node silent.
    assert {step.id for step in plan.steps if step.proof} == {
        "fence.power-not-on",
        "fence.host-silent",
        "fence.host-unheard",
    }


def test_the_gate_asks_for_every_kind_of_proof() -> None:
    silences = {"host-silent", "host-unheard", "address-silent", "service-silent", "receiver-silent"}
    gate = made().step("fence.gate")
    assert gate.args["fenced_by"] == "fence.power-off"
    assert set(gate.args["proofs"]) == {f"fence.{proof}" for proof in (*silences, "power-still-off")}
    assert {"fence.power-off", *gate.args["proofs"]} == set(gate.needs)


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
