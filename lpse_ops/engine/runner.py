"""The engine: runs the steps of a plan as early as their needs allow, each bracketed by an intent and an
outcome in the journal.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from lpse_ops.actions.context import Outcome, RunContext, find_action
from lpse_ops.engine.journal import Journal
from lpse_ops.engine.killpoint import kill_here
from lpse_ops.engine.mirror import Mirror, unacknowledged
from lpse_ops.engine.resumption import Resumption
from lpse_ops.engine.status import GOOD, described
from lpse_ops.errors import LpseError, StepFailed
from lpse_ops.i18n import _
from lpse_ops.plan import Plan, Step
from lpse_ops.plan.graph import ancestors
from lpse_ops.plan.moves import Move, moves
from lpse_ops.plan.render import console_of, title_of
from lpse_ops.waiting import scaled

# An irreversible act waits for its intent to be on disk elsewhere; a host may first have to notice (up to 20 s) that
# the connection of the controller before this one is dead.
_MIRROR_S = 25.0
_GRACE_S = 5.0  # an action bounds itself by its step's deadline; the engine gives up this much later

PASSABLE = (*GOOD, "skipped", "passed")


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
        self._results: queue.SimpleQueue[tuple[Step, Outcome | LpseError] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._halt = threading.Event()
        self._status: dict[str, str] = {}
        self._passed_over: list[tuple[Step, LpseError]] = []
        # All of them, not only the nearest: a resume may go through early steps again whose followers are done.
        self._before = {step.id: ancestors(plan, step.id) for step in plan.steps}

    def stop(self) -> None:
        """Start no further step; those that run are finished (first Ctrl-C)."""
        self._stop.set()

    def halt(self) -> None:
        """Stop at once: what is under way is not waited for (second Ctrl-C)."""
        self._stop.set()
        self._halt.set()
        self._results.put(None)

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
            if self._halt.is_set():
                self._raise_halted()
            if not running:
                break
            self._collect(running, failures)
        self._raise_for(failures)

    def _take_over_what_is_done(self) -> None:
        """Of a run that goes on: what stands, after what it stands on was looked at again."""
        if any(event["type"] in ("intent", "outcome", "resumed") for event in self._journal.events):
            self._status = Resumption(self._plan, self._journal, self._context).standing()

    def _ready(self, running: dict[str, float]) -> list[Step]:
        return [
            step
            for step in self._plan.steps
            if step.id not in self._status
            and step.id not in running
            and all(self._status.get(need) in PASSABLE for need in self._before[step.id])
        ]

    def _collect(self, running: dict[str, float], failures: list[tuple[Step, LpseError]]) -> None:
        try:
            ended = self._results.get(timeout=max(0.05, min(running.values()) - time.monotonic()))
        except queue.Empty:
            ended = self._overdue(running)
        if ended is None:
            return
        step, result = ended
        running.pop(step.id, None)
        if isinstance(result, Outcome):
            self._status[step.id] = "done" if result.changed else "already"
            self._context.facts[step.id] = result.facts
        elif step.critical:
            self._status[step.id] = "failed"
            failures.append((step, result))
        else:
            self._status[step.id] = "passed"
            self._passed_over.append((step, result))

    def _overdue(self, running: dict[str, float]) -> tuple[Step, LpseError]:
        late = min(running, key=lambda step_id: running[step_id])
        step = self._plan.step(late)
        error = StepFailed(_("%(step)s did not end within its deadline.") % {"step": late})
        self._journal.append(
            "outcome", step=late, status="failed", seconds=step.deadline_s, error=described(error)
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
                    "outcome", step=step.id, status="failed", error=described(failure), seconds=0.0
                )
            self._results.put((step, failure))

    def _bracketed(self, step: Step) -> Outcome:
        kill_here("before", step.id)
        self._journal.append(
            "intent", step=step.id, host=step.host, action=step.action, irreversible=step.irreversible
        )
        started = time.monotonic()
        begun = False
        try:
            mirrored = self._demand_record(step) if step.irreversible else None
            kill_here("begun", step.id)
            begun = True
            outcome = find_action(step.action)(self._context, step)
        except LpseError as error:
            seconds = round(time.monotonic() - started, 3)
            self._journal.append(
                "outcome", step=step.id, status="failed", seconds=seconds, error=described(error), begun=begun
            )
            raise
        kill_here("inside", step.id)
        seconds = round(time.monotonic() - started, 3)
        status = "done" if outcome.changed else "already"
        spent = {} if mirrored is None else {"mirror_s": round(mirrored, 3)}
        self._journal.append(
            "outcome", step=step.id, status=status, seconds=seconds, facts=outcome.facts, **spent
        )
        kill_here("after", step.id)
        return outcome

    def _demand_record(self, step: Step) -> float:
        """Before an act that cannot be taken back: its intent is stored elsewhere, the lock is still ours.

        Return how long that took, in seconds.
        """
        asked = time.monotonic()
        self._demand_mirror(step)
        self._demand_lock(step)
        return time.monotonic() - asked

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
            self._raise_failed(failures)
        if self._stop.is_set() and any(step.id not in self._status for step in self._plan.steps):
            self._journal.append("run-stopped", status="interrupted")
            raise StepFailed(_("Stopped cleanly between two steps."), hint=_("Go on with `lpse-ops resume`."))
        if self._passed_over:
            self._raise_failed(self._passed_over)

    def _raise_halted(self) -> NoReturn:
        self._journal.append(
            "run-stopped", status="interrupted", reason="second signal: a step under way was not waited for"
        )
        raise StepFailed(
            _("Stopped at once; a step that was under way may still end on its host."),
            hint=_("Go on with `lpse-ops resume`: it looks before it acts."),
        )

    def _raise_failed(self, failures: list[tuple[Step, LpseError]]) -> NoReturn:
        """Tell all that failed, what the first one's remedy is, and which legal moves there are."""
        step, error = failures[0]
        self._journal.append(
            "run-stopped",
            status="failed",
            step=step.id,
            reason=error.message,
            moves={failed.id: list(moves(self._plan, failed.id)) for failed, _error in failures},
        )
        reasons = list(error.reasons)
        for other, its in failures[1:]:
            reasons += [f"{title_of(other)}: {its.message}", *its.reasons]
        raise StepFailed(
            _("%(step)s failed: %(why)s") % {"step": title_of(step), "why": error.message},
            reasons=reasons,
            hint=" ".join(
                [error.hint or _("Mend the cause, then go on with `lpse-ops resume`."), *self._ways(step)]
            ),
        ) from error

    def _ways(self, step: Step) -> list[str]:
        ways = []
        legal = moves(self._plan, step.id)
        if Move.SKIP in legal:
            ways.append(
                _('To leave it out: `lpse-ops resume --skip %(step)s --reason "WHY"`.') % {"step": step.id}
            )
        if Move.CONSOLE in legal:
            ways.append(
                _("By hand on %(host)s: %(command)s")
                % {
                    "host": step.host,
                    "command": console_of(step, self._context.run, self._context.token),
                }
            )
        return ways
