"""Zone and clock before the public is let in: a wrong zone, a clock ahead or behind, and how far off is allowed."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lpse_ops.actions.clock import check
from lpse_ops.actions.context import Facts, RunContext
from lpse_ops.errors import StepFailed
from lpse_ops.plan import Step
from lpse_ops.remote.fake import Call, FakeFleet

STEP = Step("clock.check", "Check", "node2", "clock.check", 10, no_undo="It only looks.")


def context(ahead_s: float = 0.0, zone: str = "Asia/Jakarta") -> RunContext:
    def observed(_call: Call) -> dict[str, Any]:
        return {"time": time.time() + ahead_s, "zone": zone}

    def confirm(_statement: str, _facts: Facts) -> Facts:
        return {}

    site = SimpleNamespace(time_zone="Asia/Jakarta", policy=SimpleNamespace(max_clock_offset_s=2.0))
    fleet = FakeFleet().script("node2", "observe", observed)
    return RunContext(cast(Any, site), fleet, "run-1", 1, confirm)


def test_the_right_time_passes() -> None:
    outcome = check(context(), STEP)
    assert not outcome.changed
    assert outcome.facts["zone"] == "Asia/Jakarta"


@pytest.mark.parametrize("hours", [-7, 1, 12])
def test_a_clock_off_by_hours_is_refused(hours: float) -> None:
    with pytest.raises(StepFailed) as caught:
        check(context(ahead_s=hours * 3600), STEP)
    assert "node2" in caught.value.message
    (reason,) = caught.value.reasons
    assert f"{abs(hours) * 3600:.0f}" in reason.replace(".0", "")
    assert "chronyc" in caught.value.hint


@pytest.mark.parametrize(("ahead_s", "allowed"), [(1.5, True), (-1.5, True), (3.0, False), (-3.0, False)])
def test_the_policy_says_how_far_it_may_be_off(ahead_s: float, allowed: bool) -> None:
    if allowed:
        assert check(context(ahead_s=ahead_s), STEP).facts["offset_s"] == pytest.approx(1.5, abs=0.3)
    else:
        with pytest.raises(StepFailed):
            check(context(ahead_s=ahead_s), STEP)


def test_a_wrong_zone_is_named_beside_a_wrong_clock() -> None:
    with pytest.raises(StepFailed) as caught:
        check(context(ahead_s=-3600, zone="Etc/UTC"), STEP)
    assert len(caught.value.reasons) == 2
    assert "Etc/UTC" in " ".join(caught.value.reasons)
