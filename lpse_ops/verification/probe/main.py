"""Puts the report together: each section by itself, only those that the concern asked for needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lpse_ops.verification.probe.application import application
from lpse_ops.verification.probe.database import database
from lpse_ops.verification.probe.documents import documents
from lpse_ops.verification.probe.guard import guard
from lpse_ops.verification.probe.ports import sockets
from lpse_ops.verification.probe.proxy import proxy
from lpse_ops.verification.probe.system import base, clock

NODE_ONLY = ("database", "documents", "application", "proxy")
SECTIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "base": base,
    "clock": clock,
    "guard": guard,
    "database": database,
    "documents": documents,
    "application": application,
    "proxy": proxy,
    "sockets": sockets,
}
# What a concern reads beyond the guard's section, which tells every host's role.
NEEDS = {
    "base": ("base",),
    "clock": ("clock", "database"),
    "guard": ("database", "application", "proxy"),
    "database": ("database", "sockets"),
    "documents": ("documents",),
    "application": ("application", "sockets"),
    "proxy": ("proxy",),
    "ports": ("sockets",),
    "replication": ("database",),
    "outside": ("application", "documents"),
}


def report(order: dict[str, Any]) -> dict[str, Any]:
    """Given the order (`host`, `only`, what the site expects), return the sections of this host."""
    wanted = ("guard", *(NEEDS[order["only"]] if order["only"] else SECTIONS))
    node = order["host"] in order["nodes"]
    facts: dict[str, Any] = {"seconds": {}}
    for name in dict.fromkeys(wanted):
        if name in NODE_ONLY and not node:
            continue
        began = time.monotonic()
        try:
            facts[name] = SECTIONS[name](order)
        except (OSError, RuntimeError, ValueError, KeyError, IndexError) as error:
            facts[name] = {"error": f"{type(error).__name__}: {error}"}
        facts["seconds"][name] = round(time.monotonic() - began, 3)
    return facts
