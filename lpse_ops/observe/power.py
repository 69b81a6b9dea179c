"""Power of a node, read and cut by the way that the inventory names, and what the programs' words mean.

IPMI (``bmc``), an agent of fence-agents or a site's own command (``fence``); `lpse_ops.observe.switch` runs them.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lpse_ops.errors import InternalError, LpseError, Refused
from lpse_ops.i18n import _
from lpse_ops.observe import switch
from lpse_ops.observe.switch import Said, Through
from lpse_ops.remote import Remote

if TYPE_CHECKING:
    from lpse_ops.site import Site

Power = Literal["on", "off"]
Kind = Literal["unreachable", "denied", "fault", "none"]

DEADLINE_S = 8.0
_OFF_CODE = 2  # fence-agents: status ends with 0 if on, 2 if off
IPMI_DENIED = (
    "RAKP 2 HMAC is invalid",
    "RAKP 2 message indicates an error",
    "RAKP 4 message",
    "unauthorized name",
    "Invalid user name",
    "password invalid",
    "insufficient privilege",
    "Set Session Privilege Level",
    "no matching cipher suite",
    "invalid authentication algorithm",
    "invalid integrity algorithm",
    "invalid role",
)
"""What ipmitool says (with -v only) when a BMC is there but does not let us in."""
DENIED = re.compile(
    r"\b(40[13]|unauthori[sz]ed|forbidden|(login|authentication|permission|access) (has )?(failed|denied)"
    r"|unable to (login|connect/login)|(wrong|invalid|bad) (password|credential))",
    re.IGNORECASE,
)
SILENT = re.compile(
    r"timed? ?out|no route|unreachable|(connection|connect) (was )?(refused|failed|reset|lost)"
    r"|(could not|couldn't|unable to) (connect|establish|resolve)|name or service not known",
    re.IGNORECASE,
)
NOISE = (
    "Loading IANA PEN Registry",
    "Running Get VSO",
    "Invalid completion code",
    "Discovered IPMB",
    "Authentication type",
)


class PowerError(Refused):
    """The power of a node could not be read or cut.

    `kind`: unreachable, denied (user, password, cipher suite), none (no program can) or fault (anything else).
    """

    def __init__(self, message: str, *, kind: Kind, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.kind: Kind = kind


@dataclass(frozen=True)
class PowerReading:
    """The power of a node as it was read at `at` (controller's clock), or why it could not be read."""

    node: str
    state: Power | None
    at: float
    seconds: float
    kind: Kind | None = None
    error: str | None = None


def read_power(
    site: "Site", node: str, deadline_s: float = DEADLINE_S, remote: Remote | None = None
) -> Power:
    """Given a site and a node, return what its BMC or agent says: ``on`` or ``off``.

    `remote` is needed where power is switched from the repository. Raise PowerError after `deadline_s` at the latest.
    """
    said = _ask(site, node, "status", deadline_s, Through(remote))
    if said.program != "ipmitool":
        if said.code in (0, _OFF_CODE):
            return "on" if said.code == 0 else "off"
    elif said.code == 0:
        for state in ("on", "off"):
            if f"Chassis Power is {state}" in said.words:
                return "on" if state == "on" else "off"
        raise PowerError(
            _("The BMC of %(node)s answers something unexpected: %(said)s")
            % {"node": node, "said": said.words.strip()[:200]},
            kind="fault",
            hint=_hint("fault", site, node),
        )
    raise _error(site, node, said)


def cut_power(
    site: "Site",
    node: str,
    deadline_s: float = DEADLINE_S,
    remote: Remote | None = None,
    fencing: Sequence[str] = (),
) -> None:
    """Given a node, have its power cut; `fencing` is run and token, for the repository.

    A BMC acknowledges the order, not the deed: read the power afterwards. Raise PowerError.
    """
    said = _ask(site, node, "off", deadline_s, Through(remote, fencing))
    if said.code != 0:
        raise _error(site, node, said)


def reading(
    site: "Site", node: str, deadline_s: float = DEADLINE_S, remote: Remote | None = None
) -> PowerReading:
    """Given a node, return its power or the reason why it could not be read. Raise nothing of the BMC's."""
    at, started = time.time(), time.monotonic()
    try:
        state = read_power(site, node, deadline_s, remote)
    except PowerError as error:
        return PowerReading(node, None, at, time.monotonic() - started, error.kind, error.message)
    return PowerReading(node, state, at, time.monotonic() - started)


def _ask(site: "Site", node: str, order: switch.Order, deadline_s: float, through: Through) -> Said:
    if not site.nodes[node].has_power_switch:
        raise PowerError(
            _("Nothing can switch the power of %(node)s: its `fence.method` is `attestation`.")
            % {"node": node},
            kind="none",
            hint=_("A person must see to it and attest it."),
        )
    try:
        return switch.run(site, node, order, deadline_s, through)
    except InternalError:
        raise
    except LpseError as error:
        raise PowerError(
            _("The power of %(node)s is switched from %(host)s, which cannot do it: %(why)s")
            % {
                "node": node,
                "host": site.repository.name,
                "why": " ".join((error.message, *error.reasons)),
            },
            kind="fault",
            hint=error.hint or _hint("fault", site, node),
        ) from error


def _error(site: "Site", node: str, said: Said) -> PowerError:
    if said.code == switch.NOT_FOUND:
        return PowerError(
            _("The program %(program)s is missing on %(host)s.")
            % {
                "program": said.program,
                "host": _("this machine") if site.fencing.origin == "controller" else site.repository.name,
            },
            kind="fault",
            hint=_("Install it: apt-get install %(package)s")
            % {"package": "ipmitool" if said.program == "ipmitool" else "fence-agents"},
        )
    bmc = site.nodes[node].bmc
    kind = _kind(said)
    words = {
        "unreachable": _("The BMC of %(node)s (%(address)s) does not answer: %(said)s"),
        "denied": _("The BMC of %(node)s (%(address)s) does not admit us: %(said)s"),
        "fault": _("The BMC of %(node)s (%(address)s) cannot do it: %(said)s"),
    }
    message = words[kind] % {
        "node": node,
        "address": bmc.address if bmc is not None else said.program,
        "said": _last_words(said.words) or _("no answer in time"),
    }
    return PowerError(message, kind=kind, hint=_hint(kind, site, node))


def _kind(said: Said) -> Kind:
    if said.code == switch.OUT_OF_TIME:
        return "unreachable"
    if said.program != "ipmitool":
        if DENIED.search(said.words):
            return "denied"
        return "unreachable" if SILENT.search(said.words) else "fault"
    if any(words.lower() in said.words.lower() for words in IPMI_DENIED):
        return "denied"
    silent = "Unable to establish" in said.words or "Address lookup" in said.words
    return "unreachable" if silent else "fault"


def _hint(kind: Kind, site: "Site", node: str) -> str:
    if kind == "unreachable":
        return _(
            "Check the management cable and the address of the BMC; a server without mains has no BMC either."
        )
    if kind == "denied":
        if site.nodes[node].bmc is None:
            return _("Check nodes.%(node)s.fence in site.yml and fence_secrets in the vault.") % {
                "node": node
            }
        return _(
            "Check nodes.%(node)s.bmc.user and cipher_suite in site.yml and bmc_passwords in the vault."
        ) % {"node": node}
    return _("Try it by hand at the BMC's web page of %(node)s.") % {"node": node}


def _last_words(said: str) -> str:
    parts = re.split(r"[\n;]", said)  # lpse-node joins lines by ;
    lines = [line.strip("> \t") for line in parts if line.strip() and not line.startswith(NOISE)]
    return "; ".join(dict.fromkeys(lines))[:300]
