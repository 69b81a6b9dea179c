"""What of an interrupted run still stands: its proofs and preconditions are observed again before anything goes on."""

from collections import Counter
from collections.abc import Sequence
from typing import NoReturn

from lpse_ops.actions import preconditions
from lpse_ops.actions.context import RunContext, find_action
from lpse_ops.engine.journal import Event, Journal
from lpse_ops.engine.status import GOOD
from lpse_ops.errors import LpseError, StepFailed, Superseded
from lpse_ops.i18n import _
from lpse_ops.plan import Plan, Step
from lpse_ops.plan.graph import acts_on_proof


class Resumption:
    """One resume of a run; call `standing` once."""

    def __init__(self, plan: Plan, journal: Journal, context: RunContext) -> None:
        self._plan = plan
        self._journal = journal
        self._context = context
        self._begun = _begun(journal.events)

    def standing(self) -> dict[str, str]:
        """Return the status of every step that need not be done (again); their facts go into the context.

        Raise Superseded if what the run stood on no longer holds and it has not acted on it, StepFailed if it has, or
        if something could not be observed again.
        """
        status: dict[str, str] = {}
        for event in self._journal.events:
            if event["type"] == "outcome" and event["status"] in GOOD:
                status[event["step"]] = event["status"]
                self._context.facts[event["step"]] = event.get("facts", {})
            elif event["type"] == "skipped":
                status[event["step"]] = "skipped"
        # Proofs count as long as something is to be done that stands on them; after that the epoch keeps the old node
        # closed, whether it has power or not.
        acting = [step.id for step in self._plan.steps if acts_on_proof(self._plan, step)]
        if not self._begun.isdisjoint(acting) and self._nothing_landed():
            self._begun -= set(acting)
        if not acting or not status.keys() >= set(acting):
            for step in self._plan.steps:
                if step.proof and status.get(step.id) in GOOD and not self._proven_again(step):
                    self._fence_again(step, status)
                    break
        # Before the point of no return a resume looks at everything again: what was stated and confirmed then was
        # about the site as it was. After it only at what may be gone since.
        beyond = not acting or not self._begun.isdisjoint(acting)
        for step in self._plan.steps:
            if (step.again and status.get(step.id) != "skipped") or not (
                beyond or step.irreversible or step.proof
            ):
                status.pop(step.id, None)
        self._look_again({step.id for step in self._plan.steps} - status.keys())
        return status

    def _nothing_landed(self) -> bool:
        """Whether no voter of the plan has this run's record, though the intent to write it stands in the journal.

        Then nothing was done in the dead node's name: its act was never begun, or its late command is refused by now,
        because this resume holds the lock with a higher token.
        """
        try:
            return not preconditions.landed(self._context, preconditions.look(self._context, self._plan))
        except LpseError:
            return False  # what cannot be seen counts as done

    def _fence_again(self, proof: Step, status: dict[str, str]) -> None:
        """A run that has acted on a proof goes through its proofs anew, with what leads to them (``fence.*``)."""
        group = proof.id.partition(".")[0]
        for step in self._plan.steps:
            if step.id.partition(".")[0] == group:
                status.pop(step.id, None)

    def _proven_again(self, step: Step) -> bool:
        """Observe a proof again; return False if it is lost and the run has acted on it, which only acting mends."""
        try:
            outcome = find_action(step.action)(self._context, step)
        except StepFailed as error:
            self._journal.append("proof-lost", step=step.id, error=error.message)
            if not self._acted():
                self._close([error.message, *error.reasons])
            return False
        except LpseError as error:  # not seen is not disproved: the run stays open
            self._not_seen(step.id, _(step.title), error)
        self._journal.append("proof-renewed", step=step.id, facts=outcome.facts)
        self._context.facts[step.id] = outcome.facts
        return True

    def _look_again(self, pending: set[str]) -> None:
        """Observe again what the steps that are left need to be so."""
        if not any(step.observes for step in self._plan.steps if step.id in pending):
            return
        try:
            seen = preconditions.look(self._context, self._plan)
        except LpseError as error:
            self._not_seen("preconditions", _("what the next steps need"), error)
        if overtaken := preconditions.overtaken(self._context, self._plan, seen):
            self._journal.append("proof-lost", step="preconditions", error=overtaken[0])
            self._close(overtaken)
        reasons = preconditions.lost(self._context, self._plan, seen, pending)
        if reasons:
            self._lost(reasons)
        self._journal.append("preconditions-renewed", hosts=sorted(seen))

    def _not_seen(self, step_id: str, what: str, error: LpseError) -> NoReturn:
        self._journal.append("run-stopped", status="failed", step=step_id, reason=error.message)
        raise StepFailed(
            _("The run cannot go on yet: %(step)s could not be observed again.") % {"step": what},
            reasons=[error.message, *error.reasons],
            hint=error.hint or _("Mend the cause, then go on with `lpse-ops resume`."),
        ) from error

    def _acted(self) -> list[str]:
        """Return the steps that stand on a proof and may have begun to act."""
        return [
            step.id for step in self._plan.steps if acts_on_proof(self._plan, step) and step.id in self._begun
        ]

    def _lost(self, reasons: list[str]) -> NoReturn:
        """Close the run as superseded, unless it has acted: then no new plan could take its place."""
        self._journal.append("proof-lost", step="preconditions", error=reasons[0])
        if acted := self._acted():
            self._journal.append("run-stopped", status="failed", step="preconditions", reason=reasons[0])
            raise StepFailed(
                _("The run has acted (%(steps)s), but what the next steps need is not so.")
                % {"steps": ", ".join(acted)},
                reasons=reasons,
                hint=_(
                    "Mend what is named above, then run `lpse-ops resume`; `lpse-ops status` shows the site."
                ),
            )
        self._close(reasons)

    def _close(self, reasons: Sequence[str]) -> NoReturn:
        self._journal.append(
            "run-ended", status="superseded", exit_code=Superseded.exit_code, reason=reasons[0]
        )
        raise Superseded(
            _("The run is superseded: what it stood on no longer holds."),
            reasons=reasons,
            hint=_("Look at `lpse-ops status`, then make a new plan with `lpse-ops failover --plan`."),
        )


def _begun(events: Sequence[Event]) -> set[str]:
    """Return the steps whose act may have begun: an attempt that the engine itself stopped before the act is none."""
    intents = Counter(event["step"] for event in events if event["type"] == "intent")
    stopped = Counter(
        event["step"] for event in events if event["type"] == "outcome" and event.get("begun") is False
    )
    return {step for step, count in intents.items() if count > stopped[step]}
