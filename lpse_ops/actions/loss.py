"""The loss statement, and the decision of a person to go on with it."""

import time
from dataclasses import replace

from lpse_ops.actions.context import Facts, Outcome, RunContext, action
from lpse_ops.errors import LpseError
from lpse_ops.i18n import _
from lpse_ops.observe.facts import NodeState, Sample
from lpse_ops.observe.loss import held_by, state_loss
from lpse_ops.plan import Step


@action("loss.state")
def state(context: RunContext, step: Step) -> Outcome:
    """State what can be lost, from the survivor's position now and every voter's samples of the dead node."""
    survivor, samples = _look(context, step, step.host)
    samplers = [samples]
    unseen = {}
    for host in step.args["samplers"]:
        try:
            samplers.append(_look(context, step, host)[1])
        except LpseError as error:
            unseen[host] = error.message  # an older last sample makes the statement larger, never smaller
    dead_since = float(context.facts.get(step.args["power_off"], {}).get("read_at") or time.time())
    if any(
        sample.ok and sample.active == step.args["node"] and sample.time > dead_since
        for samples in samplers
        for sample in samples
    ):
        dead_since = time.time()  # it was on again since; only this moment is certain
    held = held_by(survivor)
    alive = context.plan_facts.get("power", {}).get(step.args["node"]) == "on"
    loss = state_loss(samplers, step.args["node"], held, dead_since, alive=alive)
    last_commit = survivor.database.last_commit if survivor.database else None
    facts = {
        **loss.to_json(),
        "last_commit": last_commit,
        "held_lsn": str(held.lsn),
        "held_documents": held.documents,
    }
    return Outcome(changed=False, facts={**facts, "unseen": unseen})


@action("loss.confirm")
def confirm(context: RunContext, step: Step) -> Outcome:
    """Ask for the word to go on: the last moment before the point of no return."""
    stated = context.facts[step.args["statement"]]
    return Outcome(changed=False, facts=context.confirm(describe(stated), stated))


def describe(stated: Facts) -> str:
    """Given a loss statement's facts, return it as a sentence for people."""
    if stated.get("seconds") is None:
        return _("What can be lost is unknown: the active node was never sampled.")
    lines = [
        _(
            "Can be lost: the last %(seconds).1f s before the outage, %(wal)s bytes of WAL, %(documents)s documents "
            "(observed %(age).1f s before the first sign of death)."
        )
        % {
            "seconds": stated["seconds"],
            "wal": stated["wal_bytes"],
            "documents": stated["documents"],
            "age": stated["age_s"],
        }
    ]
    if stated.get("last_commit"):
        lines.append(
            _("Last transaction that the new node holds: %(time)s.") % {"time": _clock(stated["last_commit"])}
        )
    if (stated.get("newest") or {}).get("time"):
        lines.append(
            _("Newest document known on the old node: %(time)s (%(name)s).")
            % {"time": _clock(stated["newest"]["time"]), "name": stated["newest"].get("name") or "-"}
        )
    if stated.get("unseen"):
        lines.append(
            _("Not asked, so the figures are the larger ones: %(hosts)s.")
            % {"hosts": ", ".join(stated["unseen"])}
        )
    return "\n".join(lines)


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(float(at)))


def within(stated: Facts, rpo_s: float) -> bool:
    """Given a loss statement's facts and the site's RPO in seconds, return whether it is known and within it."""
    return stated.get("seconds") is not None and stated["seconds"] <= rpo_s


def _look(context: RunContext, step: Step, host: str) -> tuple[NodeState, list[Sample]]:
    """Observe a host; return its state, and its samples by this controller's clock.

    The power-off is dated by that clock; with a host's clock ahead of it, the time in between would be understated.
    """
    sent = time.time()
    state = NodeState.parse(
        dict(context.remote.node(host, ["observe"], timeout_s=step.deadline_s).data), host
    )
    return state, by_our_clock(state, sent, time.time())


def by_our_clock(state: NodeState, sent: float, received: float) -> list[Sample]:
    """Given a state and when it was asked for and came, return its samples in our time, rather early than late.

    A difference that the way there and back can explain is none.
    """
    half = (received - sent) / 2
    ahead = state.time - (sent + half)
    if abs(ahead) <= half:
        return list(state.samples)
    return [replace(sample, time=sample.time - ahead - half) for sample in state.samples]
