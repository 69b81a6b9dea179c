"""One run from lock to end: opens what the engine needs, starts or resumes a plan, closes the journal with
how it ended.
"""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from lpse_ops import __version__
from lpse_ops.actions.context import Facts, RunContext
from lpse_ops.engine.catchup import catch_up
from lpse_ops.engine.history import copies_of
from lpse_ops.engine.journal import Event, Journal, read_events
from lpse_ops.engine.lock import SiteLock, holder
from lpse_ops.engine.mirror import Mirror, everywhere
from lpse_ops.engine.runner import Engine
from lpse_ops.engine.runs import new_run, runs_folder
from lpse_ops.engine.status import ENDED, last_status
from lpse_ops.errors import Incomplete, InternalError, LpseError, Refused, UsageError
from lpse_ops.i18n import _
from lpse_ops.plan import Plan, faults_of
from lpse_ops.remote import Remote
from lpse_ops.site import Site

Confirm = Callable[[str, Facts], Facts]
OnEvent = Callable[[Event], None]
_BEGUN_S = 2.0  # how long a mirror that does not answer may hold up the first step
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Surroundings:
    """What a run is given from outside: the site, its connections, how to ask a person, whom to tell of
    each event.
    """

    site: Site
    remote: Remote
    confirm: Confirm
    on_event: OnEvent


def start(
    around: Surroundings,
    plan: Plan,
    timings: Mapping[str, float],
    *,
    take_lock: str = "",
    supersedes: str = "",
) -> list[Event]:
    """Given a plan, run it as a new run and return its events.

    `timings` are the seconds that went before (imports, connecting, observing), for the report. `take_lock`: why the
    lock is taken from whoever holds it. `supersedes`: the run whose place this one takes. Raise LockHeld, or
    StepFailed if the run stopped on the way.
    """
    if faults := faults_of(plan):
        raise InternalError(_("The plan is not sound."), reasons=faults)
    run = new_run(plan.procedure)
    asked = time.monotonic()
    with SiteLock(
        around.remote, lock_hosts(around.site, plan), run, int(plan.facts.get("token", 0)), take_lock
    ) as lock:
        locked = time.monotonic()
        journal = Journal.create(runs_folder(around.site), run)
        with _recorded(around, plan, journal, backlog=()) as mirrors:
            spent = {**timings, "lock": locked - asked, "mirrors": time.monotonic() - locked}
            journal.append(
                "run-started",
                plan=plan.to_json(),
                digest=plan.digest(),
                **_controller(lock),
                **({"supersedes": supersedes} if supersedes else {}),
                process_started=round(process_started(), 3),
                timings={name: round(seconds, 3) for name, seconds in spent.items()},
            )
            _note_taking(journal, lock, take_lock)
            # From here on another controller can go on with it. The first intent would wait behind this event anyway.
            everywhere(mirrors, _BEGUN_S)
            return _run(around, plan, journal, lock, mirrors)


def resume(
    around: Surroundings, run: str, *, take_lock: str = "", skip: Mapping[str, str] | None = None
) -> list[Event]:
    """Given a run id, go on with the plan that its journal holds; return its events.

    `skip`: optional steps to leave out, and why. A run that has ended is refused; also one that another controller has
    brought further is gone on with from where that one left it.
    """
    folder = runs_folder(around.site)
    plan, token = _resumable(around.site, run, read_events(folder / f"{run}.jsonl"))
    failures = around.remote.open(plan.hosts)
    if failures:
        raise Refused(
            _("The run cannot go on yet."), reasons=[failure.message for failure in failures.values()]
        )
    with SiteLock(around.remote, lock_hosts(around.site, plan), run, token, take_lock) as lock:
        # Only now nobody else writes it: while the lock was waited for, another process may have ended the run, and
        # before that another controller may have gone on with it.
        catch_up(folder, run, copies_of(around.remote, plan.hosts, run))
        journal = Journal.open(folder, run)
        _resumable(around.site, run, journal.events)
        _check_skips(plan, skip or {})
        backlog = [line + "\n" for line in journal.path.read_text().splitlines()]
        with _recorded(around, plan, journal, backlog) as mirrors:
            journal.append("resumed", **_controller(lock))
            _note_taking(journal, lock, take_lock)
            for step, reason in (skip or {}).items():
                journal.append("skipped", step=step, reason=reason)
            return _run(around, plan, journal, lock, mirrors)


def lock_hosts(site: Site, plan: Plan) -> list[str]:
    """Return where a run of `plan` takes the lock, in this order: the repository, then the plan's other hosts."""
    return sorted(plan.hosts, key=lambda host: (host != site.repository.name, host))


def _controller(lock: SiteLock) -> dict[str, Any]:
    return {
        "holder": holder(),
        "controller": socket.gethostname(),
        "token": lock.token,
        "version": __version__,
    }


def _note_taking(journal: Journal, lock: SiteLock, reason: str) -> None:
    if lock.taken:
        journal.append("lock-taken", reason=reason, from_=lock.taken)


def _check_skips(plan: Plan, skip: Mapping[str, str]) -> None:
    known = {step.id: step for step in plan.steps}
    reasons = [
        _("The plan has no step %(step)s.") % {"step": name}
        if name not in known
        else _("%(step)s is critical: what follows stands on it. It can only be repeated.") % {"step": name}
        for name in skip
        if name not in known or known[name].critical
    ]
    if reasons:
        optional = ", ".join(step.id for step in plan.steps if not step.critical) or _("none")
        raise UsageError(
            _("That cannot be skipped; nothing was changed."),
            reasons=reasons,
            hint=_("Optional steps of this plan: %(steps)s.") % {"steps": optional},
        )


def _resumable(site: Site, run: str, events: Sequence[Event]) -> tuple[Plan, int]:
    """Given a run and its events, return its plan and the highest fencing token known. Raise Refused if it is over."""
    if not events or events[0]["type"] != "run-started":
        raise Refused(
            _("The run %(run)s ended before it began: its journal holds no plan.") % {"run": run},
            hint=_("Nothing was done. Start anew with `lpse-ops failover`."),
        )
    status = last_status(events)
    if status in ENDED:
        raise Refused(
            _("The run %(run)s has ended (%(status)s); there is nothing to go on with.")
            % {"run": run, "status": status},
            hint=_("`lpse-ops report %(run)s` shows what it did.") % {"run": run},
        )
    plan = Plan.from_json(events[0]["plan"])
    if plan.site != site.name:
        raise Refused(_("The run %(run)s belongs to the site %(site)s.") % {"run": run, "site": plan.site})
    tokens = [int(event["token"]) for event in events if "token" in event]
    return plan, max([*tokens, int(plan.facts.get("token", 0))])


def process_started() -> float:
    """Return when this process was started, in seconds since 1970 (to 10 ms): a user's wait begins there,
    not in our code.
    """
    ticks = int(Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - (uptime - ticks / os.sysconf("SC_CLK_TCK"))


def _run(
    around: Surroundings, plan: Plan, journal: Journal, lock: SiteLock, mirrors: Sequence[Mirror]
) -> list[Event]:
    context = RunContext(
        around.site, around.remote, journal.run, lock.token, around.confirm, plan_facts=plan.facts
    )
    engine = Engine(plan, journal, context, mirrors, lambda: lock.held)
    with _interruptible(engine):
        engine.run()
    journal.append(
        "run-ended",
        status="incomplete",
        exit_code=Incomplete.exit_code,
        reason="serving, not protected: no standby streams from the new active node yet",
    )
    return journal.events


@contextlib.contextmanager
def _recorded(
    around: Surroundings, plan: Plan, journal: Journal, backlog: Sequence[str]
) -> Iterator[list[Mirror]]:
    """Tell the caller and the mirrors of every event while the body runs; a mirror that cannot be opened is
    simply not one.
    """
    mirrors = []
    for host in plan.hosts:
        with contextlib.suppress(LpseError):
            channel = around.remote.channel(host, ["journal-append", "--run", journal.run])
            mirrors.append(Mirror(host, channel, backlog))
    journal.listen(lambda event, _line: _tell(around, event))
    for mirror in mirrors:
        journal.listen(mirror.listener)
    try:
        yield mirrors
    finally:
        for mirror in mirrors:
            mirror.close()
        journal.close()


def _tell(around: Surroundings, event: Event) -> None:
    """A terminal that has gone away must not break a step, nor keep an event from the mirrors."""
    with contextlib.suppress(OSError, ValueError):
        around.on_event(event)


@contextlib.contextmanager
def _interruptible(engine: Engine) -> Iterator[None]:
    """The first Ctrl-C (or end of the terminal, or SIGTERM) stops between two steps, the second one at once.

    Both leave a run that can be resumed. Neither raises: an exception out of nowhere could hit the journal half-way
    through an event. Only a third one does, for whoever must get away.
    """
    heard = 0

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal heard
        heard += 1
        if heard == 1:
            engine.stop()
            return
        engine.halt()
        for number in _STOPPING:
            signal.signal(number, signal.default_int_handler)

    before: dict[signal.Signals, Any] = {number: signal.signal(number, stop) for number in _STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
