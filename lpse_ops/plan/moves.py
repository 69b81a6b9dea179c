"""What may be done when a step has failed: the legal next moves, worked out from what the steps declare.

A run never ends in a dead end: `dead_ends` goes through every step of a plan as failed, with everything done that can
be done before or beside it, and names those from which nothing leads on.
"""

from collections.abc import Iterator
from enum import StrEnum

from lpse_ops.plan.graph import ancestors, descendants
from lpse_ops.plan.model import Plan, Step


class Move(StrEnum):
    """A legal next move after a failed step."""

    RETRY = "retry"  # lpse-ops resume: observe, act if needed, observe again
    SKIP = "skip"  # lpse-ops resume --skip STEP --reason TEXT
    UNDO = "undo"  # take back what the step did, as it says, before it is tried again
    CONSOLE = "console"  # a person does it at the host, then lpse-ops resume finds it done


def moves(plan: Plan, step_id: str) -> tuple[Move, ...]:
    """Given a plan and the id of a step that failed, return what may be done next, the plainest first."""
    step = plan.step(step_id)
    found = []
    if not any(spoils(plan, step, proof) for proof in _proofs_before(plan, step_id)):
        found.append(Move.RETRY)
    if not step.critical:
        found.append(Move.SKIP)
    if step.undo:
        found.append(Move.UNDO)
    if step.console:
        found.append(Move.CONSOLE)
    return tuple(found)


def dead_ends(plan: Plan) -> Iterator[str]:
    """Yield, for every step of a sound graph from whose failure no legal move leads on, why."""
    for step in plan.steps:
        legal = moves(plan, step.id)
        if not legal:
            yield f"nothing leads on when {step.id} fails"
        elif step.irreversible and Move.CONSOLE not in legal:
            yield f"{step.id} is irreversible; it must say how a person finishes it at the console"
        for proof in _proofs_before(plan, step.id):
            if spoils(plan, step, proof):
                yield f"{step.id} changes what the proof {proof.id} looks at: no resume after it could prove it again"


def spoils(plan: Plan, step: Step, proof: Step) -> bool:
    """Return whether `proof` could not be observed again because `step`, or one beside it, has changed what it sees."""
    seen = {_full(proof, name) for name in proof.observes}
    return any(
        proof.id in ancestors(plan, other.id)
        and not seen.isdisjoint(_full(other, name) for name in other.changes)
        for other in (step, *_may_be_done(plan, step.id))
    )


def _proofs_before(plan: Plan, step_id: str) -> list[Step]:
    return [plan.step(before) for before in sorted(ancestors(plan, step_id)) if plan.step(before).proof]


def _may_be_done(plan: Plan, step_id: str) -> list[Step]:
    """Steps that can be done while this one has failed: all but those that wait for it."""
    waiting = descendants(plan, step_id)
    return [step for step in plan.steps if step.id != step_id and step.id not in waiting]


def _full(step: Step, name: str) -> str:
    return name if ":" in name else f"{name}:{step.host}"
