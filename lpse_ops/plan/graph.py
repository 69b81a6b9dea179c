"""The graph that the needs of steps make."""

from graphlib import TopologicalSorter

from lpse_ops.plan.model import Plan, Step


def order(plan: Plan) -> list[str]:
    """Return the step ids in an order that honours `needs`. Raise graphlib.CycleError if there is none."""
    return list(TopologicalSorter({step.id: step.needs for step in plan.steps}).static_order())


def ancestors(plan: Plan, step_id: str) -> set[str]:
    """Return the ids of all steps that must end before `step_id` starts."""
    found: set[str] = set()
    todo = list(plan.step(step_id).needs)
    while todo:
        current = todo.pop()
        if current not in found:
            found.add(current)
            todo.extend(plan.step(current).needs)
    return found


def descendants(plan: Plan, step_id: str) -> set[str]:
    """Return the ids of all steps that cannot start before `step_id` has ended."""
    return {step.id for step in plan.steps if step_id in ancestors(plan, step.id)}


def acts_on_proof(plan: Plan, step: Step) -> bool:
    """Return whether a step cannot be taken back and stands on a proof: once it is done, the plan must be finished."""
    return step.irreversible and any(plan.step(before).proof for before in ancestors(plan, step.id))
