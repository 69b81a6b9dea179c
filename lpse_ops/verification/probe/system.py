"""Accounts, sudo, SSH server, firewall, clock and the machine as a whole."""

# Paths stay text here: trees are walked file by file, and JSON takes text.
# ruff: noqa: PTH118

from __future__ import annotations

import json
import os
import pwd
import socket
from typing import Any

from lpse_ops.verification.probe.common import entry, node_conf, output, read, run, unit

ACCOUNTS = ("lpse-admin", "lpse-hot", "lpse-voter", "lpse-documents", "root")


def base(order: dict[str, Any]) -> dict[str, Any]:
    """Return the facts that the concern "base" judges."""
    hosts = (read("/etc/hosts") or "").splitlines()
    return {
        "hostname": socket.gethostname(),
        "named_in_hosts": any(socket.gethostname() in line.split("#")[0].split()[1:] for line in hosts),
        "node_conf": node_conf(),
        "node_program": entry("/usr/local/sbin/lpse-node"),
        "accounts": {name: _account(name) for name in (*ACCOUNTS, order["user"])},
        "sudo": {name: run("sudo", "-l", "-U", name)[1] for name in ("lpse-admin", "lpse-hot")},
        "sshd": _sshd(),
        "firewall": json.loads(output("nft", "-j", "list", "ruleset"))["nftables"],
        "firewall_unit": unit("nftables.service"),
        "failed_units": output("systemctl", "list-units", "--failed", "--plain", "--no-legend").split("\n")[
            :-1
        ],
        "files": {
            path: entry(path) for path in ("/etc/lpse-ops", "/var/lib/lpse-ops", "/etc/lpse-ops/status.key")
        },
        "free_percent": _free_percent("/"),
    }


def clock(_order: dict[str, Any]) -> dict[str, Any]:
    """Return zone and time service."""
    link = os.path.realpath("/etc/localtime")
    return {
        "zone": link.partition("/zoneinfo/")[2] or link,
        "zone_file": (read("/etc/timezone") or "").strip() or None,
        "utc_offset": output("date", "+%z").strip(),
        "chrony": unit("chrony.service", "ConditionResult"),
    }


def _account(name: str) -> dict[str, Any] | None:
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        return None
    shadow = [line.split(":") for line in (read("/etc/shadow") or "").splitlines()]
    password = next((fields[1] for fields in shadow if fields[0] == name), "")
    keys = read(os.path.join(account.pw_dir, ".ssh/authorized_keys")) or ""
    return {
        "uid": account.pw_uid,
        "shell": account.pw_shell,
        "home": account.pw_dir,
        # The password itself stays here: only whether one could be used to log in is told.
        "password_usable": not password.startswith(("!", "*")),
        "groups": output("id", "-nG", name).split(),
        "keys": [line for line in keys.splitlines() if line.strip() and not line.startswith("#")],
    }


def _sshd() -> dict[str, str]:
    pairs = (line.partition(" ") for line in output("sshd", "-T").splitlines())
    values: dict[str, str] = {}
    for key, _, value in pairs:
        values[key] = f"{values[key]} {value}" if key in values else value
    return values


def _free_percent(path: str) -> float:
    size = os.statvfs(path)
    return round(100 * size.f_bavail / max(1, size.f_blocks), 1)
