"""Does anybody answer for an address? Asked from the controller, in the network this process is in."""

import json
import math
import re
import socket
import subprocess
from typing import Literal

from lpse_ops.errors import Refused
from lpse_ops.i18n import _
from lpse_ops.waiting import scaled

TcpAnswer = Literal["open", "refused", "silent"]

_RECEIVED = re.compile(r"Received (\d+) response")


def silent(address: str, interface: str | None, seconds: float) -> bool:
    """Given an address of a network this machine is on, return whether nobody claims it by ARP for `seconds`.

    Asks once a second and returns at the first answer; rounds `seconds` up (arping counts whole ones).
    `interface` None: the one the route to the address names. Raise Refused if it cannot be asked from here
    (no such program, not allowed, another network): silence that was not heard is no silence.
    """
    device = interface or interface_to(address)
    wait = max(1, math.ceil(seconds))
    command = ["arping", "-D", "-f", "-w", str(wait), "-I", device, address]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=scaled(wait + 5),
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _cannot(address, str(error)) from error
    # The exit code of -w differs between versions of iputils; the count is always there.
    received = _RECEIVED.search(done.stdout)
    if received is None:
        raise _cannot(address, (done.stderr or done.stdout).strip())
    return int(received[1]) == 0


def interface_to(address: str) -> str:
    """Given an address, return the interface it is reached by, without a router between.

    Raise Refused if there is one.
    """
    try:
        done = subprocess.run(
            ["ip", "-json", "route", "get", address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=scaled(5),
        )
        route = json.loads(done.stdout)[0]
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        raise _cannot(address, str(error)) from error
    if "gateway" in route:
        raise _cannot(address, _("it lies behind a router (%(gateway)s)") % {"gateway": route["gateway"]})
    return str(route["dev"])


def tcp_answer(address: str, port: int, seconds: float = 1.0) -> TcpAnswer:
    """Given an address and a port, return whether a connection is accepted, refused, or met with silence.

    Note that a frozen machine's kernel still accepts: ``open`` is no proof of life, ``silent`` no proof of
    death.
    """
    try:
        with socket.create_connection((address, port), timeout=scaled(seconds)):
            return "open"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "silent"


def _cannot(address: str, why: str) -> Refused:
    return Refused(
        _("Whether somebody answers for %(address)s cannot be asked from this machine: %(why)s")
        % {"address": address, "why": why or "?"},
        hint=_(
            "Run lpse-ops on a machine in the network of the service address, with iputils-arping installed."
        ),
    )
