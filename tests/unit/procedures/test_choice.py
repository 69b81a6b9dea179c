"""Standbys that are not as they should be, and a repository that is away: what is refused, allowed, noted."""

from dataclasses import replace
from typing import Any

import pytest

from lpse_ops.observe.site import SiteObservation
from lpse_ops.plan import Plan, faults_of
from lpse_ops.plan.graph import ancestors
from lpse_ops.procedures.choice import choose
from lpse_ops.procedures.failover import PROOFS, build
from tests.unit.procedures.test_failover import SITE, seen, state

STANDBY = {"running": True, "in_recovery": True, "system_id": "7", "timeline": 1, "standbys": []}
REASON = "the repository burnt"


def away(kind: str = "UnreachableError") -> SiteObservation:
    """The repository cannot be seen, for a reason of this kind."""
    observed = seen(repository=None)
    view = replace(observed.hosts["repository"], kind=kind, error="no answer")
    return replace(observed, hosts={**observed.hosts, "repository": view})


def reasons(observed: SiteObservation, **how: bool) -> list[str]:
    choice, why_not = choose(SITE, observed, None, **how)
    assert (choice is None) == bool(why_not)
    return why_not


def unwitnessed_plan() -> Plan:
    choice, why_not = choose(SITE, away(), None, unwitnessed=True)
    assert choice is not None, why_not
    return build(SITE, choice, away(), {"yes": True, "unwitnessed": REASON})


def test_without_the_repository_it_is_refused_and_the_way_out_is_named() -> None:
    told = reasons(away())
    assert any("repository could not be seen" in reason for reason in told)
    assert any("--unwitnessed" in reason for reason in told)


def test_the_exception_is_a_plan_without_the_repository() -> None:
    plan = unwitnessed_plan()
    assert faults_of(plan) == []
    assert plan.hosts == ("node2",)
    assert "epoch.repository" not in {step.id for step in plan.steps}
    assert "repository" not in {step.host for step in plan.steps}
    assert plan.step("loss.state").args["samplers"] == []
    assert plan.step("epoch.node2").args["record"]["witnessed"] is False
    assert plan.choices["unwitnessed"] == REASON
    assert {*PROOFS, "fence.gate", "loss.confirm", "epoch.node2"} <= ancestors(plan, "database.promote")
    assert any("Unwitnessed" in note for note in plan.facts["notes"])


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        (seen(), "leave --unwitnessed out"),
        (seen(repository=state("repository", record=None)), "leave --unwitnessed out"),
        (away("HostKeyError"), "is not away"),
        (away("VersionSkewError"), "is not away"),
        (away("Refused"), "is not away"),
    ],
)
def test_the_exception_is_for_a_repository_that_is_away(observed: SiteObservation, words: str) -> None:
    told = reasons(observed, unwitnessed=True)
    assert any(words in reason for reason in told), told


def test_without_a_witness_a_word_about_the_old_node_is_not_enough() -> None:
    dark = seen(None, repository=None)
    view = replace(dark.hosts["repository"], kind="UnreachableError", error="no answer")
    dark = replace(dark, hosts={**dark.hosts, "repository": view})
    told = reasons(dark, unwitnessed=True, attested=True)
    assert any("power of node1 cannot be read" in reason for reason in told), told


def test_paused_replay_is_allowed_and_noted() -> None:
    paused = seen(node2=state("node2", database={**STANDBY, "replay_paused": True}))
    choice, _why_not = choose(SITE, paused, None)
    assert choice is not None
    assert any("paused" in note and "replayed first" in note for note in choice.notes)
    assert choose(SITE, seen(), None)[0].notes == ()  # type: ignore[union-attr]


def test_a_standby_that_lags_is_no_obstacle_but_a_loss_to_be_stated() -> None:
    behind = seen(node2=state("node2", database={**STANDBY, "receive_lsn": "0/3000", "replay_lsn": "0/3000"}))
    assert reasons(behind) == []


def sample(timeline: int | None, time: float = 1.0, active: str = "node1") -> dict[str, Any]:
    return {"time": time, "ok": True, "active": active, "lsn": "0/3000", "timeline": timeline}


BY_HAND = {**STANDBY, "timeline": 2, "history": [{"timeline": 1, "until": "0/5000148"}]}


@pytest.mark.parametrize("in_recovery", [False, True])
def test_a_standby_promoted_by_hand_is_refused(in_recovery: bool) -> None:
    """Even one that was put back into recovery afterwards: its history is another."""
    observed = seen(
        node2=state("node2", database={**BY_HAND, "in_recovery": in_recovery}),
        repository=state("repository", samples=[sample(1)]),
    )
    told = reasons(observed)
    assert any("promoted by hand: it is on timeline 2 since 0/5000148" in reason for reason in told), told


@pytest.mark.parametrize(
    "samples",
    [
        [],  # nobody knows
        [sample(None)],  # taken by an older sampler
        [sample(2)],
        [sample(1, 0.1), sample(2, 0.2)],  # the newest one counts
        [sample(1, 0.3, "node2"), sample(2, 0.2)],  # of the node that is to be replaced
    ],
)
def test_the_timeline_of_the_active_node_is_no_obstacle(samples: list[dict[str, Any]]) -> None:
    observed = seen(node2=state("node2", database=BY_HAND), repository=state("repository", samples=samples))
    assert reasons(observed) == []


def test_the_active_node_itself_tells_its_timeline_if_it_can() -> None:
    half_dead = state("node1", database={"running": False, "timeline": 1, "standbys": []})
    told = reasons(seen("on", node1=half_dead, node2=state("node2", database=BY_HAND)))
    assert any("promoted by hand" in reason for reason in told), told
