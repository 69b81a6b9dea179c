"""Static checks of a plan: is it a sound graph, and does every step have a legal way on when it fails?"""

from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter

from lpse_ops.plan.model import Plan


def faults_of(plan: Plan) -> list[str]:
    """Given a plan, return all that is wrong with it (an empty list if nothing is)."""
    return [fault for check in _CHECKS for fault in check(plan)]


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


def _ids_are_unique(plan: Plan) -> Iterator[str]:
    ids = [step.id for step in plan.steps]
    for step_id in sorted({name for name in ids if ids.count(name) > 1}):
        yield f"two steps are named {step_id}"


def _needs_exist(plan: Plan) -> Iterator[str]:
    ids = {step.id for step in plan.steps}
    for step in plan.steps:
        for need in step.needs:
            if need not in ids:
                yield f"{step.id} needs {need}, which does not exist"


def _no_cycle(plan: Plan) -> Iterator[str]:
    try:
        order(plan)
    except CycleError as error:
        yield f"the steps wait for each other: {' -> '.join(error.args[1])}"


def _deadlines(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        if step.deadline_s <= 0:
            yield f"{step.id} has no deadline"


def _way_back(plan: Plan) -> Iterator[str]:
    # Every step is idempotent, so "retry" is always legal; what a plan must say besides is how its effect is
    # taken back, or why not.
    for step in plan.steps:
        if bool(step.undo) == bool(step.no_undo):
            yield f"{step.id} must say either how it is undone or why it is not"


def _irreversible_is_critical(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        if step.irreversible and not step.critical:
            yield f"{step.id} is irreversible, so it cannot be optional"


def _dead_hosts_are_left_out(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        if step.host in plan.declared_dead:
            yield f"{step.id} runs on {step.host}, which is declared dead"


_CHECKS: tuple[Callable[[Plan], Iterator[str]], ...] = (
    _ids_are_unique,
    _needs_exist,
    _no_cycle,
    _deadlines,
    _way_back,
    _irreversible_is_critical,
    _dead_hosts_are_left_out,
)
