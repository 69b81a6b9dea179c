"""Runs the program that reads or cuts the power of a node: here, or on the repository through ``lpse-node fence``.

Whatever the way, a secret goes through memory that only the program inherits (ipmitool) or through standard input
(fence agents, a site's own command), never on a command line, and into no file that a killed controller would leave.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lpse_ops.errors import InternalError
from lpse_ops.remote import Remote
from lpse_ops.waiting import scaled

if TYPE_CHECKING:
    from lpse_ops.site import Site
    from lpse_ops.site.model import Bmc, Fence

Order = Literal["status", "off"]

OUT_OF_TIME = 124  # as timeout(1) says it
NOT_FOUND = 127
_PLACES = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Said:
    """How a program ended: its exit code (`OUT_OF_TIME` if it did not) and its words, the secret blotted out."""

    code: int
    words: str
    program: str


@dataclass(frozen=True)
class Through:
    """The way to the repository, where power is switched from there: connections, and run and token as arguments."""

    remote: Remote | None = None
    fencing: Sequence[str] = ()


def run(site: "Site", node: str, order: Order, deadline_s: float, through: Through) -> Said:
    """Given a node with a power switch and an order, run its program where `fencing.from` says; return how it ended.

    Raise what `Remote.node` raises of the repository.
    """
    settings = site.nodes[node]
    secret = _secret(site, node)
    if site.fencing.origin == "repository":
        said = _on_repository(site, node, order, deadline_s, through)
    elif settings.bmc is not None:
        said = _ipmi(settings.bmc, order, deadline_s, secret)
    elif settings.fence is not None and settings.fence.agent is not None:
        said = _agent(settings.fence, order, deadline_s, secret)
    elif settings.fence is not None and settings.fence.power_off and settings.fence.power_status:
        command = settings.fence.power_status if order == "status" else settings.fence.power_off
        said = _run(command, deadline_s, secret + "\n")
    else:
        raise InternalError(f"{node} has no power switch")
    return Said(said.code, said.words.replace(secret, "***") if secret else said.words, said.program)


def program_of(site: "Site", node: str) -> str:
    """Given a node with a power switch, return the name of the program that switches it."""
    fence = site.nodes[node].fence
    return "ipmitool" if fence is None else fence.agent or (fence.power_off or ("?",))[0]


def _secret(site: "Site", node: str) -> str:
    secrets = site.secrets
    found = (secrets.bmc_passwords if site.nodes[node].bmc is not None else secrets.fence_secrets).get(node)
    return found.get_secret_value() if found is not None else ""


def _on_repository(site: "Site", node: str, order: Order, deadline_s: float, through: Through) -> Said:
    if through.remote is None:
        raise InternalError("power is switched from the repository, and nobody gave the way to it")
    # The repository compares the settings with its own: one of the two may be older.
    settings = json.dumps(site.nodes[node].fence_settings(), sort_keys=True)
    verb = ["fence", node, order, *through.fencing, "--timeout", str(max(1, round(scaled(deadline_s))))]
    given = f"{settings}\n{_secret(site, node)}\n"
    reply = through.remote.node(site.repository.name, verb, stdin=given, timeout_s=deadline_s + 5).data
    return Said(int(reply["code"]), str(reply["said"]), program_of(site, node))


def _ipmi(bmc: "Bmc", order: Order, deadline_s: float, secret: str) -> Said:
    with _in_memory(secret) as handle:
        # -R: each try costs seconds; reading again is the caller's to decide.
        command = ["ipmitool", "-v", "-I", "lanplus", "-N", "1", "-R", "1" if order == "status" else "2"]
        command += ["-C", str(bmc.cipher_suite), "-H", str(bmc.address), "-p", str(bmc.port)]
        command += ["-U", bmc.user, "-f", f"/proc/self/fd/{handle}", "chassis", "power", order]
        return _run(command, deadline_s, keep=(handle,))


def _agent(fence: "Fence", order: Order, deadline_s: float, secret: str) -> Said:
    lines = [f"{key}={value}" for key, value in (fence.options or {}).items()]
    lines.append(f"action={order}")
    if secret:
        lines.append(f"{fence.secret_option or 'password'}={secret}")
    return _run([fence.agent or "?"], deadline_s, "\n".join(lines) + "\n")


def _run(command: Sequence[str], deadline_s: float, given: str = "", keep: Sequence[int] = ()) -> Said:
    program = command[0]
    # An administrator's PATH may lack sbin, where the agents are.
    path = shutil.which(program) or shutil.which(program, path=_PLACES)
    if path is None:
        return Said(NOT_FOUND, "", program)
    try:
        done = subprocess.run(
            [path, *command[1:]],
            input=given,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=scaled(deadline_s),
            pass_fds=keep,
        )
    except subprocess.TimeoutExpired:
        return Said(OUT_OF_TIME, "", program)
    except OSError as error:
        return Said(NOT_FOUND, error.strerror or "", program)
    return Said(done.returncode, f"{done.stdout}\n{done.stderr}", program)


@contextmanager
def _in_memory(secret: str) -> Iterator[int]:
    """Yield a handle on memory that holds the secret: no name in any file system, gone with its last process."""
    handle = os.memfd_create("lpse-ops")
    try:
        os.write(handle, secret.encode())
        yield handle
    finally:
        os.close(handle)
