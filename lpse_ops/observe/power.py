"""Power of a node, read and set through its BMC (IPMI 2.0, ``ipmitool``).

The password goes through a file of mode 0600 on a file system in memory, never on a command line.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lpse_ops.errors import Refused
from lpse_ops.i18n import _
from lpse_ops.waiting import scaled

if TYPE_CHECKING:
    from lpse_ops.site import Site

Power = Literal["on", "off"]
Kind = Literal["unreachable", "denied", "fault"]

DEADLINE_S = 8.0
DENIED = (
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
NOISE = (
    "Loading IANA PEN Registry",
    "Running Get VSO",
    "Invalid completion code",
    "Discovered IPMB",
    "Authentication type",
)


class PowerError(Refused):
    """A BMC could not be asked.

    `kind`: unreachable, denied (user, password, cipher suite) or fault (anything else).
    """

    def __init__(self, message: str, *, kind: Kind, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.kind: Kind = kind


@dataclass(frozen=True)
class PowerReading:
    """The power of a node as its BMC gave it at `at` (controller's clock), or why it could not be read."""

    node: str
    state: Power | None
    at: float
    seconds: float
    kind: Kind | None = None
    error: str | None = None


def read_power(site: "Site", node: str, deadline_s: float = DEADLINE_S) -> Power:
    """Given a site and a node, return what its BMC says: ``on`` or ``off``.

    Raise PowerError after `deadline_s` at the latest.
    """
    said = _chassis(site, node, "status", deadline_s)
    for state in ("on", "off"):
        if f"Chassis Power is {state}" in said:
            return "on" if state == "on" else "off"
    raise PowerError(
        _("The BMC of %(node)s answers something unexpected: %(said)s")
        % {"node": node, "said": said.strip()[:200]},
        kind="fault",
        hint=_hint("fault", node),
    )


def set_power(site: "Site", node: str, state: Power, deadline_s: float = DEADLINE_S) -> None:
    """Given a node and the power it shall have, tell its BMC.

    The BMC acknowledges the order, not the deed: read the power again afterwards. Raise PowerError.
    """
    _chassis(site, node, state, deadline_s)


def reading(site: "Site", node: str, deadline_s: float = DEADLINE_S) -> PowerReading:
    """Given a node, return its power or the reason why it could not be read. Raise nothing of the BMC's."""
    at, started = time.time(), time.monotonic()
    try:
        state = read_power(site, node, deadline_s)
    except PowerError as error:
        return PowerReading(node, None, at, time.monotonic() - started, error.kind, error.message)
    return PowerReading(node, state, at, time.monotonic() - started)


def _chassis(site: "Site", node: str, order: str, deadline_s: float) -> str:
    bmc = site.nodes[node].bmc
    with _password_file(site.secrets.bmc_passwords[node].get_secret_value()) as secret:
        command = [
            "ipmitool",
            "-v",
            "-I",
            "lanplus",
            "-N",
            "1",
            "-R",
            "1" if order == "status" else "2",  # each costs seconds; reading again is the caller's to decide
            "-C",
            str(bmc.cipher_suite),
            "-H",
            str(bmc.address),
        ]
        command += ["-p", str(bmc.port), "-U", bmc.user, "-f", str(secret), "chassis", "power", order]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=scaled(deadline_s),
            )
        except FileNotFoundError:
            raise PowerError(
                _("The program ipmitool is missing on this machine."),
                kind="fault",
                hint=_("Install it: apt-get install ipmitool"),
            ) from None
        except subprocess.TimeoutExpired:
            raise _error("unreachable", node, str(bmc.address), _("no answer in time")) from None
    if done.returncode == 0:
        return done.stdout
    said = f"{done.stderr}\n{done.stdout}"
    raise _error(_kind(said), node, str(bmc.address), _last_words(said))


def _kind(said: str) -> Kind:
    if any(words.lower() in said.lower() for words in DENIED):
        return "denied"
    return "unreachable" if "Unable to establish" in said or "Address lookup" in said else "fault"


def _error(kind: Kind, node: str, address: str, said: str) -> PowerError:
    words = {
        "unreachable": _("The BMC of %(node)s (%(address)s) does not answer: %(said)s"),
        "denied": _("The BMC of %(node)s (%(address)s) does not admit us: %(said)s"),
        "fault": _("The BMC of %(node)s (%(address)s) cannot do it: %(said)s"),
    }
    message = words[kind] % {"node": node, "address": address, "said": said}
    return PowerError(message, kind=kind, hint=_hint(kind, node))


def _hint(kind: Kind, node: str) -> str:
    hints = {
        "unreachable": _(
            "Check the management cable and the address of the BMC; a server without mains has no BMC either."
        ),
        "denied": _(
            "Check nodes.%(node)s.bmc.user and cipher_suite in site.yml and bmc_passwords in the vault."
        ),
        "fault": _("Try it by hand at the BMC's web page of %(node)s."),
    }
    return hints[kind] % {"node": node} if "%" in hints[kind] else hints[kind]


def _last_words(said: str) -> str:
    lines = [line.strip("> ") for line in said.splitlines() if line.strip() and not line.startswith(NOISE)]
    return "; ".join(dict.fromkeys(lines))[:300]


@contextmanager
def _password_file(password: str) -> Iterator[Path]:
    """Yield a file of mode 0600 in memory that holds the password; remove it whatever happens."""
    handle, name = tempfile.mkstemp(prefix="lpse-ops-", dir=_memory())
    path = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(password)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _memory() -> str:
    for place in (os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm"):  # noqa: S108 - in memory, made by mkstemp
        if place and os.access(place, os.W_OK | os.X_OK):
            return place
    raise PowerError(
        _("There is no file system in memory for the BMC's password."),
        kind="fault",
        hint=_("Mount a tmpfs at /dev/shm, or set XDG_RUNTIME_DIR."),
    )
