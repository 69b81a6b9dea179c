"""The engine: runs the steps of a plan as early as their needs allow, each bracketed by an intent and an
outcome in the journal.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from lpse_ops.actions.context import Outcome, RunContext, find_action
from lpse_ops.engine.journal import Event, Journal
from lpse_ops.engine.killpoint import kill_here
from lpse_ops.engine.mirror import Mirror, unacknowledged
from lpse_ops.errors import LpseError, Refused, StepFailed
from lpse_ops.i18n import _
from lpse_ops.plan import Plan, Step
from lpse_ops.plan.graph import ancestors
from lpse_ops.waiting import scaled

_MIRROR_S = 5.0  # an irreversible act waits this long for its intent to be on disk elsewhere
_GRACE_S = 5.0  # an action bounds itself by its step's deadline; the engine gives up this much later
GOOD = ("done", "already")
ENDED = ("done", "incomplete", "superseded")  # statuses of a run that cannot go on


class Engine:
    """Runs one plan to its end, or to where it stops; call `run` once."""

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        context: RunContext,
        mirrors: Sequence[Mirror],
        lock_held: Callable[[], bool] = lambda: True,
    ) -> None:
        """Given a plan and what it needs; `lock_held` says whether this run still has the lock of the site."""
        self._plan = plan
        self._journal = journal
        self._context = context
        self._mirrors = mirrors
        self._lock_held = lock_held
        self._results: queue.SimpleQueue[tuple[Step, Outcome | LpseError]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._status: dict[str, str] = {}

    def stop(self) -> None:
        """Start no further step; those that run are finished (first Ctrl-C)."""
        self._stop.set()

    def run(self) -> None:
        """Run what has not been done yet. Raise StepFailed (resumable) or Refused if it stops before the end."""
        self._take_over_what_is_done()
        running: dict[str, float] = {}
        failures: list[tuple[Step, LpseError]] = []
        while True:
            if not failures and not self._stop.is_set():
                for step in self._ready(running):
                    running[step.id] = time.monotonic() + scaled(step.deadline_s) + _GRACE_S
                    threading.Thread(target=self._work, args=(step,), name=step.id, daemon=True).start()
            if not running:
                break
            self._collect(running, failures)
        self._raise_for(failures)

    def _take_over_what_is_done(self) -> None:
        events = self._journal.events
        for event in events:
            if event["type"] == "outcome" and event["status"] in GOOD:
                self._status[event["step"]] = event["status"]
                self._context.facts[event["step"]] = event.get("facts", {})
        begun = {event["step"] for event in events if event["type"] == "intent"}
        for step in self._plan.steps:
            if step.proof and step.id in self._status:
                self._prove_again(step, begun)
        # Before the point of no return a resume looks at everything again: what was stated and confirmed then was
        # about the site as it was. After it only at what may be gone since.
        acting = [step.id for step in self._plan.steps if self._acts_on_proof(step)]
        beyond = not acting or not begun.isdisjoint(acting)
        for step in self._plan.steps:
            if step.again or not (beyond or step.irreversible or step.proof):
                self._status.pop(step.id, None)

    def _acts_on_proof(self, step: Step) -> bool:
        return step.irreversible and any(
            self._plan.step(before).proof for before in ancestors(self._plan, step.id)
        )

    def _prove_again(self, step: Step, begun: set[str]) -> None:
        try:
            outcome = find_action(step.action)(self._context, step)
        except StepFailed as error:
            self._proof_lost(step, error, begun)
        except LpseError as error:  # not seen is not disproved: the run stays open
            self._journal.append("run-stopped", status="failed", step=step.id, reason=error.message)
            raise StepFailed(
                _("The run cannot go on yet: %(step)s could not be observed again.")
                % {"step": _(step.title)},
                reasons=[error.message, *error.reasons],
                hint=error.hint or _("Mend the cause, then go on with `lpse-ops resume`."),
            ) from error
        else:
            self._journal.append("proof-renewed", step=step.id, facts=outcome.facts)

    def _proof_lost(self, step: Step, error: LpseError, begun: set[str]) -> NoReturn:
        """Close the run as superseded, unless it has acted on the proof: then no new plan could take its place."""
        self._journal.append("proof-lost", step=step.id, error=error.message)
        reasons = [error.message, *error.reasons]
        acted = [other.id for other in self._plan.steps if self._acts_on_proof(other) and other.id in begun]
        if acted:
            self._journal.append("run-stopped", status="failed", step=step.id, reason=error.message)
            raise StepFailed(
                _("The run has acted on a proof that no longer holds (%(steps)s).")
                % {"steps": ", ".join(acted)},
                reasons=reasons,
                hint=_(
                    "Find out with `lpse-ops status` whether the old node serves. If it stays closed, switch it off, "
                    "then run `lpse-ops resume`."
                ),
            ) from error
        self._journal.append(
            "run-ended", status="superseded", exit_code=Refused.exit_code, reason=error.message
        )
        raise Refused(
            _("The run is superseded: what it stood on no longer holds."),
            reasons=reasons,
            hint=_("Look at `lpse-ops status`, then make a new plan with `lpse-ops failover --plan`."),
        ) from error

    def _ready(self, running: dict[str, float]) -> list[Step]:
        return [
            step
            for step in self._plan.steps
            if step.id not in self._status
            and step.id not in running
            and all(self._status.get(need) in (*GOOD, "skipped") for need in step.needs)
        ]

    def _collect(self, running: dict[str, float], failures: list[tuple[Step, LpseError]]) -> None:
        try:
            step, result = self._results.get(timeout=max(0.05, min(running.values()) - time.monotonic()))
        except queue.Empty:
            step, result = self._overdue(running)
        running.pop(step.id, None)
        if isinstance(result, Outcome):
            self._status[step.id] = "done" if result.changed else "already"
            self._context.facts[step.id] = result.facts
        elif step.critical:
            self._status[step.id] = "failed"
            failures.append((step, result))
        else:
            self._status[step.id] = "skipped"

    def _overdue(self, running: dict[str, float]) -> tuple[Step, LpseError]:
        late = min(running, key=lambda step_id: running[step_id])
        step = self._plan.step(late)
        error = StepFailed(_("%(step)s did not end within its deadline.") % {"step": late})
        self._journal.append(
            "outcome", step=late, status="failed", seconds=step.deadline_s, error=_described(error)
        )
        return step, error

    def _work(self, step: Step) -> None:
        try:
            self._results.put((step, self._bracketed(step)))
        except LpseError as error:
            self._results.put((step, error))
        except Exception as error:  # noqa: BLE001  (a fault of ours in one step must end as that step's failure, resumable)
            failure = StepFailed(_("%(step)s: unexpected %(error)r") % {"step": step.id, "error": error})
            with contextlib.suppress(LpseError):  # the journal may be what fails
                self._journal.append(
                    "outcome", step=step.id, status="failed", error=_described(failure), seconds=0.0
                )
            self._results.put((step, failure))

    def _bracketed(self, step: Step) -> Outcome:
        kill_here("before", step.id)
        self._journal.append(
            "intent", step=step.id, host=step.host, action=step.action, irreversible=step.irreversible
        )
        started = time.monotonic()
        try:
            if step.irreversible:
                self._demand_mirror(step)
                self._demand_lock(step)
            outcome = find_action(step.action)(self._context, step)
        except LpseError as error:
            seconds = round(time.monotonic() - started, 3)
            self._journal.append(
                "outcome", step=step.id, status="failed", seconds=seconds, error=_described(error)
            )
            raise
        kill_here("inside", step.id)
        seconds = round(time.monotonic() - started, 3)
        status = "done" if outcome.changed else "already"
        self._journal.append("outcome", step=step.id, status=status, seconds=seconds, facts=outcome.facts)
        kill_here("after", step.id)
        return outcome

    def _demand_mirror(self, step: Step) -> None:
        why_not = unacknowledged(self._mirrors, _MIRROR_S)
        if why_not:
            raise StepFailed(
                _("%(step)s was not begun: its intent could not be stored on a second machine.")
                % {"step": step.id},
                reasons=[why_not],
                hint=_("See that the repository answers and has disk space, then run `lpse-ops resume`."),
            )

    def _demand_lock(self, step: Step) -> None:
        """A BMC knows no fencing token: who lost the lock with its connection must not act beside its next holder."""
        if not self._lock_held():
            raise StepFailed(
                _("%(step)s was not begun: the lock of the site was lost with its connection.")
                % {"step": step.id},
                hint=_("See that the repository answers, then run `lpse-ops resume`."),
            )

    def _raise_for(self, failures: list[tuple[Step, LpseError]]) -> None:
        if failures:
            step, error = failures[0]
            self._journal.append("run-stopped", status="failed", step=step.id, reason=error.message)
            raise StepFailed(
                _("%(step)s failed: %(why)s") % {"step": _(step.title), "why": error.message},
                reasons=error.reasons,
                hint=error.hint or _("Mend the cause, then go on with `lpse-ops resume`."),
            ) from error
        if self._stop.is_set() and any(step.id not in self._status for step in self._plan.steps):
            self._journal.append("run-stopped", status="interrupted")
            raise StepFailed(_("Stopped cleanly between two steps."), hint=_("Go on with `lpse-ops resume`."))


def _described(error: LpseError) -> dict[str, Any]:
    return {"message": error.message, "reasons": list(error.reasons), "hint": error.hint}


def last_status(events: Sequence[Event]) -> str:
    """Given the events of a run, return how it stands: ``running`` (or died) or the status of its last stop
    or end.
    """
    for event in reversed(events):
        if event["type"] in ("run-ended", "run-stopped"):
            return str(event["status"])
        if event["type"] in ("run-started", "resumed"):
            break
    return "running"
