"""Fencing: a BMC that is deaf while it switches is asked again; the gate wants all proofs, of after the fencing."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from lpse_ops.actions import fencing
from lpse_ops.actions.context import RunContext
from lpse_ops.errors import StepFailed
from lpse_ops.observe.power import PowerReading
from lpse_ops.plan import Step
from lpse_ops.remote.fake import FakeFleet

STEP = Step("fence.power-off", "x", "controller", "fence.power-off", 0.6, args={"node": "node1"})
STILL = Step("s", "x", "controller", "fence.power-still-off", 1, args={"node": "node1", "after_s": 0.0})
NOT_ON = Step("n", "x", "controller", "fence.power-not-on", 1, args={"node": "node1"})
GATE = Step(
    "fence.gate",
    "x",
    "controller",
    "fence.gate",
    1,
    args={"node": "node1", "fencing": "proven", "fenced_by": "fence.power-off", "proofs": ["one", "two"]},
)


def bmc(monkeypatch: pytest.MonkeyPatch, *said: str | None) -> list[str]:
    """A BMC that is on, takes orders, and then says these things (None: nothing; the last one for ever)."""
    orders: list[str] = []

    def answers() -> Iterator[str | None]:
        yield from said
        while True:
            yield said[-1]

    told = answers()

    def reading(_site: object, node: str, *_rest: object, **_named: object) -> PowerReading:
        state = next(told)
        return PowerReading(node, cast(Any, state), 1.0, 0.1, None, None if state else "no answer")

    monkeypatch.setattr(fencing, "read_power", lambda *_words: "on")
    monkeypatch.setattr(fencing, "cut_power", lambda _site, node, *_words: orders.append(node))
    monkeypatch.setattr(fencing, "reading", reading)
    return orders


def context() -> RunContext:
    return RunContext(cast(Any, None), FakeFleet(), "run-1", 1, lambda _statement, _facts: {})


def test_a_bmc_that_is_deaf_for_a_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = bmc(monkeypatch, None, "on", "off")
    outcome = fencing.power_off(context(), STEP)
    assert (outcome.changed, outcome.facts["power"], orders) == (True, "off", ["node1"])


@pytest.mark.parametrize("said", ["on", None])
def test_a_power_that_is_not_seen_off_is_no_proof(monkeypatch: pytest.MonkeyPatch, said: str | None) -> None:
    bmc(monkeypatch, said)
    with pytest.raises(StepFailed) as caught:
        fencing.power_off(context(), STEP)
    assert list(caught.value.reasons) == ([] if said else ["no answer"])


def test_what_is_off_already_is_not_switched(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = bmc(monkeypatch, "off")
    monkeypatch.setattr(fencing, "read_power", lambda *_words: "off")
    outcome = fencing.power_off(context(), STEP)
    assert (outcome.changed, orders) == (False, [])
    assert fencing.power_still_off(context(), STILL).facts["power"] == "off"


def test_a_power_that_came_back_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    bmc(monkeypatch, "on")
    with pytest.raises(StepFailed, match="is on again"):
        fencing.power_still_off(context(), STILL)


def test_the_power_is_read_again_after_the_delay_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    read_at: list[float] = []

    def read_power(*_words: object) -> str:
        read_at.append(time.monotonic())
        return "off"

    monkeypatch.setattr(fencing, "read_power", read_power)
    begin = time.monotonic()
    fencing.power_still_off(context(), replace(STILL, args={"node": "node1", "after_s": 0.3}))
    assert len(read_at) == 1
    assert read_at[0] - begin >= 0.3


def test_an_attestation_records_who_when_and_the_words() -> None:
    given = {"node": "node1", "by": "ani@here:1", "words": "I stand before it", "attested_at": 5.0}
    facts = fencing.attest(context(), Step("a", "x", "controller", "fence.attest", 1, args=given)).facts
    assert {key: facts[key] for key in given} == given
    assert facts["at"] == 5.0, "a resume that records it again does not make it younger than the proofs"


@pytest.mark.parametrize("said", ["off", None])
def test_an_attestation_stands_beside_a_bmc_that_is_silent_or_agrees(
    monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    bmc(monkeypatch, said)
    assert fencing.power_not_on(context(), NOT_ON).facts["power"] == said


def test_a_bmc_that_says_on_outweighs_an_attestation(monkeypatch: pytest.MonkeyPatch) -> None:
    bmc(monkeypatch, "on")
    with pytest.raises(StepFailed, match="it is on"):
        fencing.power_not_on(context(), NOT_ON)


def test_the_gate_wants_every_proof_and_names_all_that_lack() -> None:
    run = context()
    run.facts["fence.power-off"] = {"at": 10.0}
    with pytest.raises(StepFailed) as caught:
        fencing.gate(run, GATE)
    assert [reason.rpartition(" ")[2] for reason in caught.value.reasons] == ["one", "two"]
    run.facts |= {"one": {"at": 11.0}, "two": {"at": 9.0}}
    with pytest.raises(StepFailed) as caught:
        fencing.gate(run, GATE)
    assert caught.value.reasons == ("proof from before the fencing: two",)
    run.facts["two"] = {"at": 12.0, "holds": True}
    facts = fencing.gate(run, GATE).facts
    assert (facts["fencing"], facts["fenced_at"]) == ("proven", 10.0)
    assert {name: proof["at"] for name, proof in facts["proofs"].items()} == {"one": 11.0, "two": 12.0}


def test_the_gate_is_shut_without_the_fencing_itself() -> None:
    run = context()
    run.facts |= {"one": {"at": 11.0}, "two": {"at": 12.0}}
    with pytest.raises(StepFailed) as caught:
        fencing.gate(run, GATE)
    assert caught.value.reasons == ("missing proof: fence.power-off",)
