"""What the tests of the return guard share: verbs of lpse-node on lab hosts, and what open and closed mean."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lpse_ops.errors import LabError
from lpse_ops.lab.lab import Lab
from lpse_ops.waiting import scaled, wait_until

ROOT = Path(__file__).parents[2]
HELPER = "/usr/local/sbin/lpse-node"
APPLICATION = "spse@production.service"
HOSTS = ("node1", "node2", "repository")


def command(lab: Lab, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``lpse-ops WORDS --output json`` on the lab's site, as a program would; return what it did."""
    return subprocess.run(
        [sys.executable, "-m", "lpse_ops", *words, "--output", "json", "--site", f"lab:{lab.name}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=scaled(480),
        check=False,
    )


def ended(done: subprocess.CompletedProcess[str], code: int) -> Any:
    """Return the JSON of a command after checking its exit code."""
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return json.loads(done.stdout)


def refused(done: subprocess.CompletedProcess[str], code: int = 3) -> str:
    """Return all that a command said which ended with `code` and an error; it must say what to do, too."""
    error = ended(done, code)["error"]
    assert error["hint"]
    return " ".join([error["message"], *error["reasons"], error["hint"]])


def verb(lab: Lab, host: str, *words: str, stdin: str | None = None) -> Any:
    """Run a verb of lpse-node on a host as root; return its answer. Fail the test if it did not succeed."""
    done = lab.run(host, [HELPER, *words], input=stdin, timeout=120)
    assert done.returncode == 0, f"{host}: {words}: {done.returncode} {done.stdout} {done.stderr}"
    return json.loads(done.stdout)


def observe(lab: Lab, host: str) -> Any:
    """Return what a host says about itself."""
    return verb(lab, host, "observe")


def until(what: str, predicate: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something, at most `seconds`; fail the test with its name. A host that still starts is waited for."""

    def holds() -> bool:
        try:
            return predicate()
        except (LabError, AssertionError):
            return False

    assert wait_until(holds, seconds, every=0.3), f"not within {seconds} s: {what}"


def guard(lab: Lab, host: str) -> tuple[str, str]:
    """Return state and reason of a host's guard."""
    found = observe(lab, host)["guard"]
    return str(found["state"]), str(found["reason"])


def guard_is(lab: Lab, host: str, state: str, why: str = "") -> bool:
    """Whether the guard of a host has come to a state, for a reason that contains `why`."""
    found, reason = guard(lab, host)
    return found == state and why in reason


def serves(lab: Lab, host: str) -> bool:
    """Whether a node is open to the public."""
    seen = observe(lab, host)
    return bool(seen["proxy"]["open"] and seen["application"]["ready"] and seen["address"]["held"])


def follows(lab: Lab, host: str) -> bool:
    """Whether a node is a standby whose database streams."""
    seen = observe(lab, host)
    return bool(seen["guard"]["state"] == "standby" and seen["database"]["receiver"] == "streaming")


def writable(lab: Lab, host: str) -> bool:
    """Whether a host's database takes writes; a host that is off, or without a database, does not."""
    try:
        database = observe(lab, host)["database"]
    except (LabError, AssertionError):
        return False
    return bool(database and database["running"] and database["in_recovery"] is False)


def unit_of_database(lab: Lab, host: str) -> str:
    """Return the unit of PostgreSQL on a host."""
    conf = lab.run(host, ["cat", "/etc/lpse-ops/node.conf"]).stdout
    return next(line.split("'")[1] for line in conf.splitlines() if line.startswith("PG_UNIT="))


def data_of_database(lab: Lab, host: str) -> str:
    """Return the data directory of PostgreSQL on a host."""
    version, cluster = (
        unit_of_database(lab, host).removeprefix("postgresql@").removesuffix(".service").split("-")
    )
    return f"/var/lib/postgresql/{version}/{cluster}"


def sql(lab: Lab, host: str, statement: str) -> str:
    """Run SQL as the database's superuser on a node; return what it printed. Fail the test if it did not succeed."""
    psql = ["runuser", "-u", "postgres", "--", "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", "epns_prod"]
    done = lab.run(host, [*psql, "-c", statement])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def assert_closed(lab: Lab, host: str, why: str) -> None:
    """Neither systemd nor PostgreSQL's own tools open a closed node, and each says why."""
    unit = unit_of_database(lab, host)
    version, cluster = unit.removeprefix("postgresql@").removesuffix(".service").split("-")
    by_unit = lab.run(host, ["systemctl", "start", unit])
    assert by_unit.returncode != 0
    told = lab.run(host, ["journalctl", "--unit", unit, "--lines", "40", "--no-pager"]).stdout
    assert why in told, told
    bypassed = lab.run(host, ["pg_ctlcluster", "--skip-systemctl-redirect", version, cluster, "start"])
    assert bypassed.returncode != 0
    assert "/run/lpse/open.conf" in bypassed.stdout + bypassed.stderr
    lab.run(host, ["systemctl", "start", APPLICATION])
    seen = observe(lab, host)
    assert seen["database"]["running"] is False
    assert seen["application"]["state"] == "inactive"
    assert seen["address"]["held"] is False
    assert seen["proxy"]["open"] is False
    assert seen["guard"]["open"] is False
    assert why in seen["guard"]["reason"]
    assert why in verb(lab, host, "guard", "show")["guard"]["reason"]
    assert why in lab.run(host, ["cat", "/etc/issue.d/lpse-guard.issue"]).stdout


@contextlib.contextmanager
def locked(lab: Lab, run: str, host: str = "repository") -> Iterator[list[str]]:
    """Hold the lock on a host as a controller does; give the arguments that changing verbs want."""
    holder = subprocess.Popen(
        lab.command(host, [HELPER, "lock", "--run", run, "--holder", "test"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    try:
        yield ["--run", run, "--token", str(json.loads(holder.stdout.readline())["token"])]
    finally:
        holder.communicate(timeout=scaled(30))


def make_active(lab: Lab, node: str, run: str = "guard-test") -> Any:
    """Make the standby the active node by the verbs that a failover uses; return what promote answered."""
    record = observe(lab, node)["record"]
    new = record | {"epoch": record["epoch"] + 1, "active": node, "run": run, "witnessed": True}
    with locked(lab, run) as fencing:
        for voter in ("repository", node):
            verb(lab, voter, "epoch", "write", *fencing, stdin=json.dumps(new) + "\n")
        promoted = verb(lab, node, "promote", *fencing)
        verb(lab, node, "claim-address", *fencing)
        verb(lab, node, "application", "start", *fencing, "--timeout", "120")
        verb(lab, node, "activate", *fencing)
    return promoted
