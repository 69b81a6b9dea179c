"""Makes this node's database a standby of the active node's: looks, judges, clones. Run as root on the standby-to-be.

    lpse_standby.py --settings JSON judge --system-id ID [--slot-lost] [--replace]   what would be done, and why
    lpse_standby.py --settings JSON clone --bytes N                                  do it (under systemd-run)
    lpse_standby.py --settings JSON progress                                         how far it is

Each answers one line of JSON. The source is copied whole before anything here is touched; what
held another history is moved aside, never deleted. Settings
(no secrets): data, version, unit, port, source (connection string), slot.
"""

import argparse
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

STATE = Path("/run/lpse/clone.json")
INCOMING = "incoming"
FIRST_USER_XID = 1000  # initdb ends well below this (700 to 800 in PostgreSQL 13 to 17)
FIRST_DATABASES = 3  # template0, template1, postgres
SPARE_BYTES = 512 << 20


@dataclass(frozen=True)
class Data:
    """What the data directory holds. `system_id` None: no cluster."""

    system_id: str | None
    standby: bool = False
    pristine: bool = False
    streaming: bool = False
    writing: bool = False


@dataclass(frozen=True)
class Verdict:
    """What to do: ``keep``, ``clone`` or ``refuse``; `aside` whether what is here is moved aside (else it is empty)."""

    what: str
    reason: str
    aside: bool = False


def judge(data: Data, system_id: str, *, slot_lost: bool = False, replace: bool = False) -> Verdict:
    """Given what is here, the system id of the active node and what was asked for, return the verdict."""
    if data.writing:
        return Verdict("refuse", "PostgreSQL on this host is open for writes: this host is no standby-to-be")
    if data.system_id is None:
        return Verdict("clone", "there is no database here yet")
    if data.pristine:
        return Verdict("clone", "the database here is empty, as the package made it")
    if data.streaming and data.system_id == system_id:
        return Verdict("keep", "it follows already")
    if replace:
        return Verdict("clone", "asked for: what is here is moved aside", aside=True)
    if data.system_id != system_id:
        why = f"the database here has another history (system id {data.system_id}, the active node's is {system_id})"
    elif not data.standby:
        why = "the database here was active itself; what it wrote last may be nowhere else"
    elif slot_lost:
        why = "the active node no longer has the log this standby needs"
    else:
        return Verdict("keep", "it is a standby of the active node")
    return Verdict("refuse", why)


def look(settings: Json) -> Data:
    """Given the settings, return what the data directory holds. Raise OSError or ValueError if it cannot be told."""
    data = Path(settings["data"])
    if not (data / "PG_VERSION").exists():
        return Data(None)
    control = _control(settings)
    databases = [entry for entry in (data / "base").iterdir() if entry.name.isdigit()]
    tablespaces = list((data / "pg_tblspc").iterdir())
    next_xid = int(control["Latest checkpoint's NextXID"].split(":")[-1])
    standby = (data / "standby.signal").exists()
    return Data(
        system_id=control["Database system identifier"],
        standby=standby,
        pristine=not standby
        and len(databases) <= FIRST_DATABASES
        and not tablespaces
        and next_xid < FIRST_USER_XID,
        streaming=_ask(settings, "select status from pg_stat_wal_receiver") == "streaming",
        writing=_ask(settings, "select pg_is_in_recovery()") == "f",
    )


def clone(settings: Json, expected: int) -> None:
    """Given the settings and the expected bytes, copy the active node's database and put it in place.

    A copy that an earlier run left unfinished is thrown away: it was never a database. Raise OSError or
    CalledProcessError.
    """
    data = Path(settings["data"])
    _stop(settings, data)
    incoming = data.with_name(f"{data.name}.{INCOMING}")
    if incoming.exists():
        shutil.rmtree(incoming)
    free = shutil.disk_usage(data.parent).free
    if free < expected + SPARE_BYTES:
        raise OSError(
            f"{data.parent} has {free >> 20} MiB free; the copy needs {expected >> 20} and some to spare: "
            f"make room (old copies beside it are called {data.name}.superseded-*)"
        )
    owner = pwd.getpwnam("postgres")
    incoming.mkdir(mode=0o700)
    os.chown(incoming, owner.pw_uid, owner.pw_gid)
    command = [
        f"/usr/lib/postgresql/{settings['version']}/bin/pg_basebackup",
        "--pgdata",
        str(incoming),
        "--dbname",
        settings["source"],
        "--slot",
        settings["slot"],
        "--wal-method=stream",
        "--checkpoint=fast",
        "--no-password",
        "--verbose",
    ]
    subprocess.run(
        command, check=True, user="postgres", group="postgres", extra_groups=[], cwd="/", env={"LC_ALL": "C"}
    )
    signal = incoming / "standby.signal"
    signal.touch(mode=0o600)
    os.chown(signal, owner.pw_uid, owner.pw_gid)
    subprocess.run(["sync", "-f", str(incoming)], check=True)
    _swap(settings, data, incoming)


def _swap(settings: Json, data: Path, incoming: Path) -> None:
    """Put the copy in the place of what is here."""
    _stop(settings, data)
    found = look(settings)
    if found.system_id is None or found.pristine:
        if data.exists():
            shutil.rmtree(data)
    else:
        data.rename(data.with_name(f"{data.name}.superseded-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"))
    incoming.rename(data)
    _flush(data.parent)


def _stop(settings: Json, data: Path) -> None:
    """Stop a standby that cannot follow any more (it would hold the slot); never a database that takes writes."""
    if _ask(settings, "select pg_is_in_recovery()") == "f":
        raise OSError("PostgreSQL on this host is open for writes: this host is no standby-to-be")
    subprocess.run(["systemctl", "stop", settings["unit"]], check=True)
    if _postmaster_lives(data):
        raise OSError(f"a PostgreSQL that systemd does not know works on {data}: stop it (pg_ctlcluster)")


def run_clone(settings: Json, expected: int, state: Path = STATE) -> int:
    """Clone and keep the outcome in `state`; return an exit code."""
    _show(state, {"state": "running", "total": expected, "error": None})
    try:
        clone(settings, expected)
    except (OSError, ValueError, KeyError, subprocess.CalledProcessError) as error:
        _show(state, {"state": "failed", "total": expected, "error": f"{error}"})
        raise SystemExit(f"{error}") from error
    _show(state, {"state": "done", "total": expected, "error": None})
    return 0


def progress(settings: Json, state: Path = STATE) -> Json:
    """Return the state of the clone with the bytes that are here: running, done, failed or none."""
    try:
        shown: Json = json.loads(state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        shown = {"state": "none", "total": 0, "error": None}
    data = Path(settings["data"])
    active = subprocess.run(
        ["systemctl", "is-active", "lpse-clone.service"], check=False, capture_output=True, text=True
    ).stdout.strip()
    if shown["state"] == "running" and active not in ("active", "activating"):
        shown |= {"state": "failed", "error": "the copy was interrupted; run it again"}
    here = data.with_name(f"{data.name}.{INCOMING}") if shown["state"] == "running" else data
    return shown | {"bytes": _size(here) if shown["state"] != "none" else 0, "unit": active}


def _control(settings: Json) -> dict[str, str]:
    program = f"/usr/lib/postgresql/{settings['version']}/bin/pg_controldata"
    said = subprocess.run(
        [program, "-D", settings["data"]], check=True, capture_output=True, text=True, env={"LC_ALL": "C"}
    ).stdout
    return dict(re.findall(r"^([^:\n]+):\s*(.*)$", said, re.MULTILINE))


def _ask(settings: Json, question: str) -> str:
    """Return the answer of the PostgreSQL on this host, empty if none runs."""
    done = subprocess.run(
        ["psql", "-XAtq", "-p", str(settings["port"]), "-d", "postgres", "-c", question],
        check=False,
        capture_output=True,
        text=True,
        user="postgres",
        group="postgres",
        extra_groups=[],
        cwd="/",
        timeout=10,
        env={"PGCONNECT_TIMEOUT": "3", "PATH": "/usr/bin:/bin"},
    )
    return done.stdout.strip()


def _postmaster_lives(data: Path) -> bool:
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0])
        return Path(f"/proc/{pid}/cwd").readlink() == data
    except (OSError, ValueError):
        return False


def _size(folder: Path) -> int:
    total = 0
    for path, _folders, files in os.walk(folder):
        for name in files:
            try:
                total += Path(path, name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def _show(path: Path, state: Json) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(state), encoding="utf-8")
    new.rename(path)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def main(arguments: list[str]) -> int:
    """Given the words of the command line, do what they say and return an exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", type=json.loads, required=True)
    verbs = parser.add_subparsers(dest="verb", required=True)
    judging = verbs.add_parser("judge")
    judging.add_argument("--system-id", required=True)
    judging.add_argument("--slot-lost", action="store_true")
    judging.add_argument("--replace", action="store_true")
    verbs.add_parser("clone").add_argument("--bytes", type=int, required=True)
    verbs.add_parser("progress")
    given = parser.parse_args(arguments)
    settings: Json = given.settings
    if given.verb == "clone":
        return run_clone(settings, given.bytes)
    now = progress(settings)
    if given.verb == "progress":
        answer = now
    elif now["state"] == "running":
        answer = {"what": "wait", "reason": "a copy is under way", "aside": False}
    else:
        verdict = judge(look(settings), given.system_id, slot_lost=given.slot_lost, replace=given.replace)
        answer = {"what": verdict.what, "reason": verdict.reason, "aside": verdict.aside}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
