"""The floor of a run: the longest path of what cannot be had faster (design.md, "Speed")."""

from collections.abc import Mapping

from lpse_ops.plan.graph import order
from lpse_ops.plan.model import Plan


def floor_seconds(plan: Plan, acted_s: Mapping[str, float]) -> float:
    """Given a plan and the seconds each ``floor="act"`` step took by the host's own clock, return the floor in seconds.

    Steps that are marked neither ``act`` nor ``wait`` weigh nothing: their time is overhead.
    """
    return _longest(plan, {step.id: _weight(plan, step.id, acted_s) for step in plan.steps})[0]


def critical_path(plan: Plan, seconds: Mapping[str, float]) -> tuple[str, ...]:
    """Given a plan and the measured seconds of its steps, return the ids on the longest path, first step first."""
    return _longest(plan, seconds)[1]


def _weight(plan: Plan, step_id: str, acted_s: Mapping[str, float]) -> float:
    step = plan.step(step_id)
    if step.floor == "act":
        return acted_s.get(step_id, 0.0)
    return step.floor_s if step.floor == "wait" else 0.0


def _longest(plan: Plan, weight: Mapping[str, float]) -> tuple[float, tuple[str, ...]]:
    best: dict[str, tuple[float, tuple[str, ...]]] = {}
    for step_id in order(plan):
        before = max((best[need] for need in plan.step(step_id).needs), default=(0.0, ()))
        best[step_id] = (before[0] + weight.get(step_id, 0.0), (*before[1], step_id))
    return max(best.values(), default=(0.0, ()))
