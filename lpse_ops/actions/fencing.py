"""Fencing: take the power away, and prove that the node is dead before anything is done in its name."""

import contextlib
import socket
import threading
import time
from typing import Any

from lpse_ops.actions.context import Outcome, RunContext, action
from lpse_ops.errors import StepFailed
from lpse_ops.i18n import _
from lpse_ops.observe.power import Power, PowerError, PowerReading, read_power, reading, set_power
from lpse_ops.plan import Step
from lpse_ops.site import Site
from lpse_ops.waiting import wait_until

_PORTS = (22, 443, 5432)  # what a living node answers on
_PROBE_S = 0.4
_READ_S = 4.0  # for one reading of the power


@action("fence.power-off")
def power_off(context: RunContext, step: Step) -> Outcome:
    """Take the power of the node named in the arguments through its BMC; ends when the BMC reports it off."""
    node = step.args["node"]
    before = read_power(context.site, node)
    if before == "off":
        return Outcome(
            changed=False, facts={"power": "off", "before": before, "read_at": round(time.time(), 3)}
        )
    set_power(context.site, node, "off")
    # Many a BMC is deaf for a moment while it switches: no answer is asked again, not taken for one.
    seen: list[PowerReading] = []

    def off() -> bool:
        seen.append(reading(context.site, node))
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
    return Outcome(changed=True, facts={"power": "off", "before": before, "read_at": round(time.time(), 3)})


@action("fence.power-still-off")
def power_still_off(context: RunContext, step: Step) -> Outcome:
    """Read the power again after a delay: a BMC can say off while the host is still up, or a person can
    press the button.
    """
    node = step.args["node"]
    # The declared safety wait itself, not a wait for something.
    threading.Event().wait(float(step.args["after_s"]))
    power = _read_patiently(context.site, node)
    if power != "off":
        raise StepFailed(
            _("The power of %(node)s is on again.") % {"node": node},
            hint=_("Somebody or something switched it on. Look at `lpse-ops status` before anything else."),
        )
    return Outcome(changed=False, facts={"power": power, "read_at": round(time.time(), 3)})


def _read_patiently(site: Site, node: str) -> Power:
    """Read the power; a BMC that does not answer is asked twice more, one that answers is believed at once."""
    for _attempt in range(2):
        with contextlib.suppress(PowerError):
            return read_power(site, node, _READ_S)
    return read_power(site, node, _READ_S)


@action("fence.host-silent")
def host_silent(context: RunContext, step: Step) -> Outcome:
    """Knock on the dead node's own ports from here: an answer, even a refusal, is a kernel that lives."""
    address, deadline = step.args["address"], time.monotonic() + float(step.args["for_s"])
    answers: list[dict[str, Any]] = []
    while not answers:
        answers = [{"port": port, "answer": told} for port in _PORTS if (told := _knock(address, port))]
        if time.monotonic() > deadline:
            break
    if answers:
        raise StepFailed(
            _("%(address)s still answers on port %(port)s (%(answer)s) although its power reads off.")
            % {"address": address, **answers[0]},
            hint=_(
                "The BMC may belong to another machine. Compare its address with the inventory; do not go on."
            ),
        )
    return Outcome(
        changed=False, facts={"address": address, "ports": list(_PORTS), "silent_at": round(time.time(), 3)}
    )


@action("fence.address-silent")
def address_silent(context: RunContext, step: Step) -> Outcome:
    """Ask on the wire, from the node that will take it, whether anybody answers for the service address."""
    address, seconds = step.args["address"], float(step.args["for_s"])
    verb = ["silent", address, "--for", f"{seconds:g}"]
    reply = context.remote.node(step.host, verb, timeout_s=step.deadline_s).data
    if reply.get("answered"):
        raise StepFailed(
            _("Somebody still answers for %(address)s: %(who)s.")
            % {"address": address, "who": reply.get("by") or _("unknown hardware address")},
            hint=_("Find the machine with that hardware address and take it off the network."),
        )
    return Outcome(changed=False, facts=dict(reply))


@action("fence.gate")
def gate(context: RunContext, step: Step) -> Outcome:
    """Collect the proofs; every one must be there. What could not be observed counts against going on."""
    proofs = {proof: context.facts.get(proof) for proof in step.args["proofs"]}
    missing = [proof for proof, facts in proofs.items() if facts is None]
    if missing:
        raise StepFailed(
            _("The death of %(node)s is not proven.") % {"node": step.args["node"]},
            reasons=[_("missing proof: %(proof)s") % {"proof": proof} for proof in missing],
        )
    return Outcome(changed=False, facts={"node": step.args["node"], "proofs": proofs})


def _knock(address: str, port: int) -> str:
    try:
        with socket.create_connection((address, port), timeout=_PROBE_S):
            return "open"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return ""
