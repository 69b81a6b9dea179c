"""Fencing: take the power away, or have a person attest that it is gone; and the gate that wants every proof."""

import contextlib
import threading
import time
from typing import Any

from lpse_ops.actions.context import Outcome, RunContext, action
from lpse_ops.errors import StepFailed
from lpse_ops.i18n import _
from lpse_ops.observe.power import Power, PowerError, PowerReading, cut_power, read_power, reading
from lpse_ops.plan import Step
from lpse_ops.waiting import wait_until

_READ_S = 4.0  # for one reading of the power
_CUT_S = 30.0  # for one order; an agent returns when it has seen the power off


@action("fence.power-off")
def power_off(context: RunContext, step: Step) -> Outcome:
    """Take the power of the node named in the arguments; ends when its BMC or agent reports it off."""
    node = step.args["node"]
    before = _read_patiently(context, node)
    if before == "off":
        return Outcome(changed=False, facts=_off(before))
    cut_power(context.site, node, _CUT_S, context.remote, context.fencing)
    # Many a BMC is deaf for a moment while it switches: no answer is asked again, not taken for one.
    seen: list[PowerReading] = []

    def off() -> bool:
        seen.append(reading(context.site, node, remote=context.remote))
        return seen[-1].state == "off"

    if not wait_until(off, step.deadline_s / 3):
        raise StepFailed(
            _("The BMC of %(node)s took the order, but the power is still on.") % {"node": node},
            reasons=[seen[-1].error] if seen[-1].error else [],
            hint=_(
                "Switch %(node)s off by hand (hold the button, or pull the plug), then run `lpse-ops resume`."
            )
            % {"node": node},
        )
    return Outcome(changed=True, facts=_off(before))


@action("fence.power-still-off")
def power_still_off(context: RunContext, step: Step) -> Outcome:
    """Read the power again after a delay: a BMC can say off while the host is still up, or a person can
    press the button.
    """
    node = step.args["node"]
    # The declared safety wait itself, not a wait for something.
    threading.Event().wait(float(step.args["after_s"]))
    power = _read_patiently(context, node)
    if power != "off":
        raise _on_again(node)
    return Outcome(changed=False, facts={"power": power, "at": round(time.time(), 3)})


@action("fence.attest")
def attest(context: RunContext, step: Step) -> Outcome:
    """Record that a person vouches for the death of a node whose power no program can read: who, when, the words."""
    attested = {key: step.args[key] for key in ("node", "by", "words", "attested_at")}
    # The word counts from when it was given: a resume records it anew, the proofs since then stay proofs.
    return Outcome(changed=True, facts={**attested, "at": step.args["attested_at"]})


@action("fence.power-not-on")
def power_not_on(context: RunContext, step: Step) -> Outcome:
    """Contradict an attestation: a BMC that answers after all and says on outweighs the word of a person."""
    found = reading(context.site, step.args["node"], _READ_S, context.remote)
    if found.state == "on":
        raise StepFailed(
            _("The power of %(node)s can be read after all, and it is on.") % {"node": found.node},
            hint=_(
                "The attestation does not hold. Make a new plan: `lpse-ops failover` cuts the power itself."
            ),
        )
    told = {"power": found.state, "error": found.error}
    return Outcome(changed=False, facts={**told, "at": round(time.time(), 3)})


@action("fence.gate")
def gate(context: RunContext, step: Step) -> Outcome:
    """Collect the proofs; every one must be there, and of after the fencing. What could not be observed counts
    against going on.
    """
    fenced_by, proofs = step.args["fenced_by"], {}
    fenced = context.facts.get(fenced_by, {}).get("at")
    reasons = [] if fenced else [_("missing proof: %(proof)s") % {"proof": fenced_by}]
    for proof in step.args["proofs"]:
        facts = context.facts.get(proof)
        if facts is None or "at" not in facts:
            reasons.append(_("missing proof: %(proof)s") % {"proof": proof})
        elif fenced and facts["at"] < fenced:
            reasons.append(_("proof from before the fencing: %(proof)s") % {"proof": proof})
        else:
            proofs[proof] = facts
    if reasons:
        raise StepFailed(
            _("The death of %(node)s is not proven.") % {"node": step.args["node"]}, reasons=reasons
        )
    told = {"node": step.args["node"], "fencing": step.args["fencing"], "fenced_at": fenced}
    return Outcome(changed=False, facts={**told, "proofs": proofs})


def _off(before: Power) -> dict[str, Any]:
    now = round(time.time(), 3)
    return {"power": "off", "before": before, "read_at": now, "at": now}


def _on_again(node: str) -> StepFailed:
    return StepFailed(
        _("The power of %(node)s is on again.") % {"node": node},
        hint=_("Somebody or something switched it on. Look at `lpse-ops status` before anything else."),
    )


def _read_patiently(context: RunContext, node: str) -> Power:
    """Read the power; a BMC that does not answer is asked twice more, one that answers is believed at once."""
    for _attempt in range(2):
        with contextlib.suppress(PowerError):
            return read_power(context.site, node, _READ_S, context.remote)
    return read_power(context.site, node, _READ_S, context.remote)
