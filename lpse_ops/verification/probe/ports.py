"""Every socket that listens on the host, with the process behind it."""

from __future__ import annotations

import re
from typing import Any

from lpse_ops.verification.probe.common import output

PROCESS = re.compile(r'\("([^"]*)",pid=(\d+)')


def sockets(_order: dict[str, Any]) -> list[dict[str, Any]]:
    """Return protocol, address, port and process of each listening TCP and UDP socket."""
    found = []
    for line in output("ss", "-H", "-tulpn").splitlines():
        fields = line.split()
        address, _, port = fields[4].rpartition(":")
        owner = PROCESS.search(line)
        found.append(
            {
                "protocol": fields[0],
                "address": address.strip("[]").partition("%")[0],
                "port": int(port),
                "process": owner.group(1) if owner else "?",
                "pid": int(owner.group(2)) if owner else 0,
            }
        )
    return found
