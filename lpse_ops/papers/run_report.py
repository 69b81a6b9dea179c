"""The report of one run: steps with their times, the loss as stated, where the seconds went."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from lpse_ops.engine.journal import Event
from lpse_ops.engine.status import GOOD, last_status
from lpse_ops.i18n import _
from lpse_ops.plan import Plan
from lpse_ops.plan.floor import critical_path, floor_seconds
from lpse_ops.plan.render import title_of

Report = dict[str, Any]


def run_report(events: Sequence[Event]) -> Report:
    """Given the events of a run, return its report (keys as in docs/drill.md).

    Times ``*_s`` are seconds since the process began.
    """
    begun = events[0]
    plan = Plan.from_json(begun["plan"])
    zero = float(begun["process_started"])
    steps = _steps(plan, events, zero)
    acted = {
        step["id"]: float(step["facts"].get("seconds") or step["seconds"])
        for step in steps
        if step["status"] in GOOD
    }
    floor = floor_seconds(plan, acted)
    serving = next(
        (s["started_s"] + s["seconds"] for s in steps if s["id"] == "proxy.open" and s["status"] in GOOD),
        None,
    )
    path = critical_path(plan, {step["id"]: step["seconds"] for step in steps})
    return {
        "run": begun["run"],
        "procedure": plan.procedure,
        "site": plan.site,
        "status": last_status(events),
        "started": zero,
        "resumed": sum(event["type"] == "resumed" for event in events),
        "rto_s": None if serving is None else round(serving, 3),
        "floor_s": round(floor, 3),
        "overhead_s": None if serving is None else round(serving - floor, 3),
        "fencing": _fencing(steps),
        "stated_loss": _stated(steps),
        "witnessed": (plan.facts.get("record") or {}).get("witnessed"),
        "unwitnessed": plan.choices.get("unwitnessed"),
        "unprotected_since": _promoted(events),
        "timings": begun.get("timings", {}),
        "costs": _costs(plan, events, begun),
        "supersedes": begun.get("supersedes"),
        "skipped": {event["step"]: event["reason"] for event in events if event["type"] == "skipped"},
        "critical_path": list(path),
        "steps": steps,
    }


def as_text(report: Report) -> str:
    """Given a report, return it as lines for a terminal."""
    lines = [_("Run %(run)s: %(status)s") % report]
    for step in report["steps"]:
        mark = {"done": "✓", "already": "✓", "failed": "✗"}.get(step["status"], "·")
        lines.append(
            f"  {step['started_s']:8.3f} s  {mark} {step['title']} [{step['host']}]  {step['seconds']:.3f} s"
        )
        if step["error"]:
            lines.append(f"               {step['error']}")
    lines += [
        _("Left out: %(step)s (%(reason)s)") % {"step": step, "reason": reason}
        for step, reason in report["skipped"].items()
    ]
    fencing = report["fencing"]
    if fencing and fencing["kind"] == "attested":
        lines.append(_('The death of %(node)s is ATTESTED, NOT PROVEN: %(by)s, "%(words)s".') % fencing)
    elif fencing:
        lines.append(_("The death of %(node)s is proven (%(count)s proofs).") % fencing)
    if report["witnessed"] is False:
        lines.append(_("Unwitnessed, without the repository: %(unwitnessed)s") % report)
    if report["unprotected_since"] is not None:
        lines.append(
            _("Unprotected since %(time)s, the promotion; `lpse-ops status` shows whether it still is.")
            % {"time": time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(report["unprotected_since"]))}
        )
    loss = report["stated_loss"]
    if loss:
        lines.append(
            _("Stated loss: %(seconds)s s, %(wal_bytes)s bytes of WAL, %(documents)s documents at most.")
            % loss
        )
    if report["rto_s"] is not None:
        lines.append(
            _("Serving after %(rto_s).2f s (floor %(floor_s).2f s, overhead %(overhead_s).2f s).") % report
        )
    costs = report["costs"]
    if costs["gate_s"] is not None and costs["lock_s"] is not None:
        lines.append(
            _(
                "Safety took: lock %(lock_s).2f s, mirror %(mirror_s).2f s, gate beyond its waits %(gate_s).2f s."
            )
            % costs
        )
    return "\n".join(lines)


def _costs(plan: Plan, events: Sequence[Event], begun: Event) -> dict[str, float | None]:
    """Return what safety costs, in seconds of the way to service: the lock, the mirrored intents, the gate.

    The gate counts beyond its longest declared wait, from when the power read off until all proofs were together.
    """
    ended = {e["step"]: float(e["time"]) for e in events if e["type"] == "outcome" and e["status"] in GOOD}
    gate = None
    if "fence.gate" in ended:
        proofs = [plan.step(step_id) for step_id in plan.step("fence.gate").needs]
        before = max((ended[need] for proof in proofs for need in proof.needs if need in ended), default=None)
        if before is not None:
            waited = max((proof.floor_s for proof in proofs), default=0.0)
            gate = round(max(0.0, ended["fence.gate"] - before - waited), 3)
    mirrored = sum(float(event.get("mirror_s", 0.0)) for event in events if event["type"] == "outcome")
    return {
        "lock_s": begun.get("timings", {}).get("lock"),
        "mirror_s": round(mirrored, 3),
        "gate_s": gate,
    }


def _steps(plan: Plan, events: Sequence[Event], zero: float) -> list[dict[str, Any]]:
    again = {step.id for step in plan.steps if step.again}
    intents: dict[str, Event] = {}
    tries: dict[str, tuple[Event, Event]] = {}
    for event in events:
        if event["type"] not in ("intent", "outcome"):
            continue
        name = event["step"]
        good = name in again and tries.get(name, ({}, {}))[1].get("status") in GOOD
        if event["type"] == "intent":
            intents[name] = event
            if not good:
                tries[name] = (event, {})
        elif not (
            good and event["status"] in GOOD
        ):  # what a resume only found in place was reached before it
            tries[name] = (intents.get(name, event), event)
    steps = []
    for step in plan.steps:
        if step.id not in tries:
            continue
        intent, outcome = tries[step.id]
        steps.append(
            {
                "id": step.id,
                "title": title_of(step),
                "host": step.host,
                "started_s": round(float(intent["time"]) - zero, 3),
                "seconds": float(outcome.get("seconds", 0.0)),
                "status": outcome.get("status", "unknown"),
                "facts": outcome.get("facts", {}),
                "error": (outcome.get("error") or {}).get("message", ""),
            }
        )
    return sorted(steps, key=lambda step: float(step["started_s"]))


def _fencing(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """How the death of the old node was made sure of: ``proven`` or ``attested`` (by whom, with which words)."""
    facts = {step["id"]: step["facts"] for step in steps if step["status"] in GOOD}
    gate = facts.get("fence.gate")
    if gate is None:
        return None
    attested = facts.get("fence.attest", {})
    return {
        "kind": gate.get("fencing"),
        "node": gate.get("node"),
        "by": attested.get("by"),
        "words": attested.get("words"),
        "count": len(gate.get("proofs", {})),
        "proofs": {name: proof.get("at") for name, proof in gate.get("proofs", {}).items()},
    }


def _promoted(events: Sequence[Event]) -> float | None:
    """Return when the promotion ended for the first time: from then on commits were in one place only. None: never."""
    times = [
        float(event["time"])
        for event in events
        if event["type"] == "outcome" and event["step"] == "database.promote" and event["status"] in GOOD
    ]
    return min(times, default=None)


def _stated(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    for step in steps:
        if step["id"] == "loss.state" and step["status"] in GOOD:
            return {
                key: step["facts"].get(key)
                for key in ("seconds", "wal_bytes", "documents", "newest", "age_s")
            }
    return None
