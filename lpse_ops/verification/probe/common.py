"""Running programs and reading files on the host, for the other modules of the probe."""

# Paths stay text here: trees are walked file by file, and JSON takes text.
# ruff: noqa: PTH116, PTH123

from __future__ import annotations

import grp
import json
import os
import pwd
import stat
import subprocess
from typing import Any

TIMEOUT_S = 20
NODE_CONF = "/etc/lpse-ops/node.conf"
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def run(*argv: str, data: str | None = None, user: str | None = None) -> tuple[int, str, str]:
    """Run a program (as `user`, when given) with `data` as its input; return (exit code, output, errors)."""
    command = list(argv) if user is None else ["runuser", "-u", user, "--", *argv]
    try:
        done = subprocess.run(
            command,
            input=data or "",
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=ENVIRONMENT,
            cwd="/",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return 127, "", str(error)
    return done.returncode, done.stdout, done.stderr


def output(*argv: str, data: str | None = None, user: str | None = None) -> str:
    """Run a program and return its output. Raises RuntimeError with what it said when it fails."""
    code, out, err = run(*argv, data=data, user=user)
    if code != 0:
        lines = (err or out).strip().splitlines() or [f"exit {code}"]
        raise RuntimeError(f"{argv[0]}: {lines[-1]}")
    return out


def read(path: str) -> str | None:
    """Return the text of a file, None when there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def entry(path: str) -> dict[str, Any] | None:
    """Return owner, group, mode (octal text) and kind of a path (links are not followed), None if absent."""
    try:
        info = os.lstat(path)
    except OSError:
        return None
    return {
        "path": path,
        "user": user_name(info.st_uid),
        "group": group_name(info.st_gid),
        "mode": f"{stat.S_IMODE(info.st_mode):04o}",
        "kind": "folder" if stat.S_ISDIR(info.st_mode) else "link" if stat.S_ISLNK(info.st_mode) else "file",
        "size": info.st_size,
    }


def user_name(uid: int) -> str:
    """Return the name of an account, its number as text when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """Return the name of a group, its number as text when it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def shell_values(text: str) -> dict[str, str]:
    """Given lines ``KEY='value'`` or ``KEY=value``, return them as a mapping."""
    values = {}
    for line in text.splitlines():
        key, sign, value = line.strip().partition("=")
        if sign and not key.startswith("#"):
            values[key] = value.strip().strip("'\"")
    return values


class Settings(dict[str, str]):
    """The settings of lpse-node on this host; one that is missing is named with its file."""

    def __missing__(self, key: str) -> str:
        """Raise RuntimeError."""
        raise RuntimeError(f"{NODE_CONF} does not say {key}")


def node_conf() -> Settings:
    """Return what node.conf says; nothing when there is none."""
    return Settings(shell_values(read(NODE_CONF) or ""))


def unit(name: str, *properties: str) -> dict[str, str]:
    """Return properties of a systemd unit; a property named twice is joined by newlines."""
    wanted = (
        "LoadState",
        "ActiveState",
        "SubState",
        "UnitFileState",
        "MainPID",
        "NeedDaemonReload",
        *properties,
    )
    text = output("systemctl", "show", name, "--property=" + ",".join(wanted))
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        values[key] = f"{values[key]}\n{value}" if key in values else value
    return values


def query(conf: dict[str, str], name: str, text: str) -> Any:
    """Ask database `name` one query that answers in JSON; return the answer, or ``{"error": why}``."""
    flags = ("-XAtq", "-v", "ON_ERROR_STOP=1", "-p", conf["PG_PORT"], "-d", name, "-f", "-")
    try:
        return json.loads(output("psql", *flags, data=text, user="postgres") or "{}")
    except (RuntimeError, ValueError) as error:
        return {"error": str(error)}


def process(pid: int) -> dict[str, Any] | None:
    """Return user, program and command line of a running process, None when there is none."""
    try:
        owner = os.stat(f"/proc/{pid}").st_uid
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = [word.decode(errors="replace") for word in file.read().split(b"\0") if word]
    except OSError:
        return None
    return {"pid": pid, "user": user_name(owner), "argv": words}
