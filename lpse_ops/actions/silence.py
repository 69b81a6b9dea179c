"""Proofs of death beside the power: nothing that the old node would still do can be seen, from two machines.

Each step is one proof with its time, and fails with what was seen against it. They run side by side, so the run stops
with all that speaks against the death at once.
"""

import errno
import socket
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lpse_ops.actions.context import Outcome, RunContext, action
from lpse_ops.errors import StepFailed
from lpse_ops.i18n import _
from lpse_ops.plan import Step
from lpse_ops.waiting import wait_until

_PROBE_S = 0.4
# What the network says of an address where nobody lives; any other error means that nobody was asked.
_SILENCE = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EHOSTDOWN)


@action("fence.host-silent")
def host_silent(context: RunContext, step: Step) -> Outcome:
    """Knock on the dead node's own ports from here: an answer, even a refusal, is a kernel that lives."""
    address, ports = step.args["address"], step.args["ports"]
    if answers := _knock_for(float(step.args["for_s"]), [(address, port) for port in ports]):
        raise StepFailed(
            _("%(address)s still answers on %(ports)s although it is taken for dead.")
            % {"address": address, "ports": _ports(answers)},
            hint=_(
                "The BMC may belong to another machine. Compare its address with the inventory; do not go on."
            ),
        )
    return _held(address=address, ports=list(ports))


@action("fence.service-silent")
def service_silent(context: RunContext, step: Step) -> Outcome:
    """Knock from here where the old node served: the service address, and the application's own port."""
    targets = [(str(address), int(port)) for address, port in step.args["targets"]]
    answers = _knock_for(float(step.args["for_s"]), targets)
    service = step.args.get("service")
    if any(address == service for address, _port, _told in answers) and _is_ours(context, step.args["new"]):
        answers = [answer for answer in answers if answer[0] != service]
    if answers:
        raise StepFailed(
            _("The service is still there: %(ports)s.") % {"ports": _ports(answers)},
            hint=_("Find out which machine it is (`arping` shows its hardware address); do not go on."),
        )
    return _held(targets=[f"{address}:{port}" for address, port in targets])


@action("fence.address-silent")
def address_silent(context: RunContext, step: Step) -> Outcome:
    """Ask on the wire, from the node that will take it, whether anybody answers for the service address."""
    return _nobody_answers(
        context, step, _("Find the machine with that hardware address and take it off the network.")
    )


@action("fence.host-unheard")
def host_unheard(context: RunContext, step: Step) -> Outcome:
    """Ask on the wire, from the standby, for the old node's own address: no firewall keeps a kernel from answering."""
    return _nobody_answers(
        context,
        step,
        _(
            "The old node lives. Compare the address of its BMC with the inventory, and find out what was switched off."
        ),
    )


@action("fence.receiver-silent")
def receiver_silent(context: RunContext, step: Step) -> Outcome:
    """Listen on the standby whether the old node still sends log or keepalives."""
    verb = ["receiver", "--for", f"{float(step.args['for_s']):g}"]
    heard = dict(context.remote.node(step.host, verb, timeout_s=step.deadline_s).data)
    if heard.get("heard") is not False:
        raise StepFailed(
            _("%(host)s still receives the log of %(node)s.")
            % {"host": step.host, "node": step.args["node"]},
            hint=_(
                "The old node lives and writes. Find out what was switched off in its place; do not go on."
            ),
        )
    return _held(**heard)


def _nobody_answers(context: RunContext, step: Step, hint: str) -> Outcome:
    address, seconds = step.args["address"], float(step.args["for_s"])
    verb = ["silent", address, "--for", f"{max(seconds, 1.0):g}"]
    reply = dict(context.remote.node(step.host, verb, timeout_s=step.deadline_s).data)
    if reply.get("answered") is not False and not (
        reply.get("by") == "self" and _is_ours(context, step.host)
    ):
        raise StepFailed(
            _("Somebody still answers for %(address)s: %(who)s.")
            % {"address": address, "who": reply.get("by") or _("unknown hardware address")},
            hint=hint,
        )
    return _held(address=address, **reply)


def _is_ours(context: RunContext, node: str) -> bool:
    """Return whether the service address is where this run has put it: a run that fences again finds it there."""
    state = context.remote.node(node, ["observe"], timeout_s=10).data
    record, address = state.get("record") or {}, state.get("address") or {}
    return record.get("active") == node and record.get("run") == context.run and address.get("held") is True


def _held(**facts: Any) -> Outcome:
    return Outcome(changed=False, facts={"holds": True, "at": round(time.time(), 3), **facts})


def _ports(answers: Iterable[tuple[str, int, str]]) -> str:
    return ", ".join(f"{address}:{port} ({told})" for address, port, told in answers)


def _knock_for(seconds: float, targets: list[tuple[str, int]]) -> list[tuple[str, int, str]]:
    """Knock on all targets at once, again and again for so long; return those that answered in the first such round."""
    answers: list[tuple[str, int, str]] = []

    def answered() -> bool:
        told = list(pool.map(lambda target: _knock(*target), targets))
        answers.extend((*target, words) for target, words in zip(targets, told, strict=True) if words)
        return bool(answers)

    with ThreadPoolExecutor(max_workers=len(targets)) as pool:
        wait_until(answered, seconds)
    return answers


def _knock(address: str, port: int) -> str:
    """Return ``open`` or ``refused``, "" for silence. Raise StepFailed if the question cannot have left from here."""
    try:
        with socket.create_connection((address, port), timeout=_PROBE_S):
            return "open"
    except (ConnectionRefusedError, ConnectionResetError):
        return "refused"
    except TimeoutError:
        return ""
    except OSError as error:
        if error.errno in _SILENCE:
            return ""
        raise StepFailed(
            _("Whether %(address)s answers on port %(port)s cannot be asked from this machine: %(why)s")
            % {"address": address, "port": port, "why": error.strerror or error},
            hint=_("Silence that was not heard is no silence: see to this machine's own network first."),
        ) from error
