"""Static checks of a plan: is it a sound graph, and does every step have a legal way on when it fails?"""

from collections.abc import Callable, Iterator
from graphlib import CycleError
from itertools import combinations

from lpse_ops.plan.graph import ancestors, order
from lpse_ops.plan.model import Plan
from lpse_ops.plan.moves import dead_ends


def faults_of(plan: Plan) -> list[str]:
    """Given a plan, return all that is wrong with it (an empty list if nothing is)."""
    graph = [fault for check in _GRAPH for fault in check(plan)]
    return graph or [fault for check in _STEPS for fault in check(plan)]


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
    for step in plan.steps:
        if bool(step.undo) == bool(step.no_undo):
            yield f"{step.id} must say either how it is undone or why it is not"
        if step.irreversible and not step.changes:
            yield f"{step.id} is irreversible but says of nothing that it changes it"
        if step.proof and (step.changes or not step.observes):
            yield f"{step.id} is a proof: it must say what it looks at, and change nothing"
        if step.undo and not step.changes:
            yield f"{step.id} changes nothing, so there is nothing to undo"


def _nothing_is_changed_twice_at_once(plan: Plan) -> Iterator[str]:
    for one, other in combinations(plan.steps, 2):
        shared = {name if ":" in name else f"{name}:{one.host}" for name in one.changes} & {
            name if ":" in name else f"{name}:{other.host}" for name in other.changes
        }
        if shared and one.id not in ancestors(plan, other.id) and other.id not in ancestors(plan, one.id):
            yield f"{one.id} and {other.id} change {', '.join(sorted(shared))} side by side"


def _nothing_critical_needs_an_optional_step(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        for need in step.needs:
            if step.critical and not plan.step(need).critical:
                yield f"{step.id} is critical but waits for {need}, which may be skipped"


def _irreversible_is_critical(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        if step.irreversible and not step.critical:
            yield f"{step.id} is irreversible, so it cannot be optional"


def _dead_hosts_are_left_out(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        if step.host in plan.declared_dead:
            yield f"{step.id} runs on {step.host}, which is declared dead"


Check = Callable[[Plan], Iterator[str]]
_GRAPH: tuple[Check, ...] = (_ids_are_unique, _needs_exist, _no_cycle)
_STEPS: tuple[Check, ...] = (
    _deadlines,
    _way_back,
    _irreversible_is_critical,
    _dead_hosts_are_left_out,
    _nothing_is_changed_twice_at_once,
    _nothing_critical_needs_an_optional_step,
    dead_ends,
)
