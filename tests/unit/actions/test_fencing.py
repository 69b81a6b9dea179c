"""Fencing: a BMC that is deaf while it switches is asked again."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from lpse_ops.actions import fencing
from lpse_ops.actions.context import RunContext
from lpse_ops.errors import StepFailed
from lpse_ops.observe.power import PowerReading
from lpse_ops.plan import Step
from lpse_ops.remote.fake import FakeFleet

STEP = Step("fence.power-off", "x", "controller", "fence.power-off", 0.6, args={"node": "node1"})


def bmc(monkeypatch: pytest.MonkeyPatch, *said: str | None) -> list[str]:
    """A BMC that is on, takes orders, and then says these things (None: nothing; the last one for ever)."""
    orders: list[str] = []

    def answers() -> Iterator[str | None]:
        yield from said
        while True:
            yield said[-1]

    told = answers()

    def reading(_site: object, node: str) -> PowerReading:
        state = next(told)
        return PowerReading(node, cast(Any, state), 1.0, 0.1, None, None if state else "no answer")

    monkeypatch.setattr(fencing, "read_power", lambda _site, _node: "on")
    monkeypatch.setattr(fencing, "set_power", lambda _site, _node, state: orders.append(state))
    monkeypatch.setattr(fencing, "reading", reading)
    return orders


def context() -> RunContext:
    return RunContext(cast(Any, None), FakeFleet(), "run-1", 1, lambda _statement, _facts: {})


def test_a_bmc_that_is_deaf_for_a_moment_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    orders = bmc(monkeypatch, None, "on", "off")
    outcome = fencing.power_off(context(), STEP)
    assert (outcome.changed, outcome.facts["power"], orders) == (True, "off", ["off"])


@pytest.mark.parametrize("said", ["on", None])
def test_a_power_that_is_not_seen_off_is_no_proof(monkeypatch: pytest.MonkeyPatch, said: str | None) -> None:
    bmc(monkeypatch, said)
    with pytest.raises(StepFailed) as caught:
        fencing.power_off(context(), STEP)
    assert list(caught.value.reasons) == ([] if said else ["no answer"])
