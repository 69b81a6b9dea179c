"""The application: folder and files by hash, configuration, process, unit and its status endpoint."""

# Paths stay text here: trees are walked file by file, and JSON takes text.
# ruff: noqa: PTH110, PTH118, PTH120, PTH123

from __future__ import annotations

import hashlib
import os
import re
import stat
import urllib.error
import urllib.request
from typing import Any

from lpse_ops.verification.probe.common import entry, node_conf, process, read, run, shell_values, unit

# What the application itself writes, below its folder.
WRITTEN = ("tmp", "logs", "precompiled")
SANDBOX = (
    "User",
    "Group",
    "SupplementaryGroups",
    "NoNewPrivileges",
    "ProtectSystem",
    "ProtectHome",
    "PrivateTmp",
    "PrivateDevices",
    "ProtectKernelTunables",
    "ProtectKernelModules",
    "ProtectControlGroups",
    "ProtectKernelLogs",
    "ProtectClock",
    "RestrictSUIDSGID",
    "RestrictRealtime",
    "RestrictNamespaces",
    "LockPersonality",
    "CapabilityBoundingSet",
    "AmbientCapabilities",
    "RestrictAddressFamilies",
    "ReadWritePaths",
    "ReadOnlyPaths",
    "UMask",
    "Restart",
    "PIDFile",
)
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def application(order: dict[str, Any]) -> dict[str, Any]:
    """Return what the concern "application" judges."""
    folder, conf = order["folder"], node_conf()
    state = unit(conf["APP_UNIT"], *SANDBOX)
    url = f"http://{order['app_address']}:{order['app_port']}{order['context_path']}"
    files, foreign, writable = _walk(folder)
    config = next((p for p in _configs(folder) if os.path.exists(p)), _configs(folder)[0])
    facts: dict[str, Any] = {
        "unit": state,
        "folder": entry(folder),
        "files": files,
        "foreign_owned": foreign,
        "writable": writable,
        "manifest": read(os.path.join(os.path.dirname(config), "integrity"))
        or read(os.path.join(folder, "conf/integrity")),
        "config": entry(config) or {"path": config},
        "values": _settings(read(config) or ""),
        "pid_file": (read(os.path.join(folder, "server.pid")) or "").strip() or None,
        "main": process(int(state.get("MainPID") or 0)) if state.get("MainPID", "0") != "0" else None,
        "processes": _processes(order["user"], folder),
        "java": (run("java", "-version")[2].splitlines() or [""])[0],
    }
    if state["ActiveState"] == "active":
        facts["status"] = _get(f"{url}/@status", (read("/etc/lpse-ops/status.key") or "").strip())
        facts["status_without_key"] = _get(f"{url}/@status", None)
        facts["page"] = _get(f"{url}/lelang", None)
    return facts


def _processes(user: str, folder: str) -> list[str]:
    """Return the account's processes that are the application's: on a standby the account also fetches documents."""
    lines = run("pgrep", "-u", user, "-a")[1].splitlines()
    return [line for line in lines if folder in line or "java" in line]


def _configs(folder: str) -> list[str]:
    return [
        os.path.join(folder, where) for where in ("webapp/conf/application.conf", "conf/application.conf")
    ]


def _walk(folder: str) -> tuple[dict[str, str], list[str], list[str]]:
    """Return the hash of every delivered file, what is owned by a stranger, and what others may write."""
    files: dict[str, str] = {}
    foreign: list[str] = []
    writable: list[str] = []
    for here, folders, names in os.walk(folder):
        if here == folder:
            folders[:] = [name for name in folders if name not in WRITTEN]
        for path in (here, *(os.path.join(here, name) for name in names)):
            info = os.lstat(path)
            # The top folder is the application's: it writes server.pid there.
            if info.st_uid != 0 and path not in (folder, os.path.join(folder, "server.pid")):
                foreign.append(path)
            if stat.S_IMODE(info.st_mode) & 0o002 and not stat.S_ISLNK(info.st_mode):
                writable.append(path)
            if stat.S_ISREG(info.st_mode) and path != here:
                with open(path, "rb") as file:
                    content = file.read()
                name = os.path.relpath(path, folder)
                # Two hashes of one read: sha256 for the golden copy, md5 because the manifest's format is LKPP's.
                files[name] = hashlib.sha256(content).hexdigest() + " " + hashlib.md5(content).hexdigest()  # noqa: S324
    return files, foreign, writable


def _settings(text: str) -> dict[str, str]:
    """Return the keys of application.conf but for those that hold secrets."""
    values = shell_values(text)
    hidden = {key: "x" if _is_secret(key) else value for key, value in values.items()}
    return {key: re.sub(r"password=[^&\s]+", "password=x", value) for key, value in hidden.items()}


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in ("secret", "pass", "statuskey", "securedb"))


def _get(url: str, key: str | None) -> dict[str, Any]:
    request = urllib.request.Request(url, headers={"Authorization": key} if key else {})  # noqa: S310
    try:
        with OPENER.open(request, timeout=10) as answer:
            return {"code": answer.status, "body": answer.read(65536).decode(errors="replace")}
    except urllib.error.HTTPError as error:
        return {"code": error.code, "body": ""}
    except OSError as error:
        return {"code": None, "error": str(error)}
