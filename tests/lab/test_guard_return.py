"""The old active node comes back after a failover: whatever it can reach, it stays closed, still, and says why."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lpse_ops.lab.host import find
from lpse_ops.lab.lab import Lab
from tests.lab.conftest import At
from tests.lab.guard_bench import (
    APPLICATION,
    HELPER,
    assert_closed,
    command,
    data_of_database,
    ended,
    guard_is,
    make_active,
    observe,
    serves,
    unit_of_database,
    until,
)

WHY = "this node was active in epoch 1"
JOBS = "/var/lib/lpse-test-jobs"
JOB = """\
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo ran >> /var/lib/lpse-test-jobs'
"""
TIMER = """\
[Unit]
PartOf=lpse-active.target
[Timer]
OnActiveSec=1
OnUnitActiveSec=1
AccuracySec=100ms
[Install]
WantedBy=lpse-active.target
"""


def install_job(lab: Lab, node: str) -> None:
    """Give a node a scheduled job that belongs to the active node alone, as an office would."""
    for name, text in (("service", JOB), ("timer", TIMER)):
        lab.run(node, ["tee", f"/etc/systemd/system/lpse-test.{name}"], input=text)
    lab.run(node, ["systemctl", "enable", "lpse-test.timer"])
    lab.run(node, ["systemctl", "start", "lpse-test.timer"])


def jobs(lab: Lab, node: str) -> int:
    return len(lab.run(node, ["cat", JOBS]).stdout.splitlines())


@pytest.fixture(scope="module")
def failed_over(at: At) -> Iterator[Lab]:
    """node1 lost its power, node2 is the active one; node1 is off."""
    lab = at("protected")
    install_job(lab, "node1")
    until("the job runs on the active node", lambda: jobs(lab, "node1") > 0)
    lab.run("node1", ["sync"])
    lab.power_cut("node1")
    promoted = make_active(lab, "node2")
    assert (promoted["promoted"], promoted["timeline"]) == (True, 2)
    yield lab
    lab.heal()


@pytest.fixture
def returning(failed_over: Lab) -> Iterator[Lab]:
    """node1 is off and about to come back; afterwards node2 still serves."""
    failed_over.heal()
    failed_over.power_cut("node1")
    yield failed_over
    failed_over.heal()
    assert serves(failed_over, "node2")


def test_cut_off_from_all_it_holds_until_it_hears_of_the_new_epoch(returning: Lab) -> None:
    lab = returning
    lab.partition("node1")
    lab.power_on("node1", wait=False)
    until("node1 holds", lambda: guard_is(lab, "node1", "holding", "does not answer"))
    assert observe(lab, "node1")["database"]["running"] is False
    lab.heal()
    until("node1 superseded", lambda: guard_is(lab, "node1", "superseded", WHY))


@pytest.mark.parametrize(("lost", "teller"), [("node2", "repository"), ("repository", "node2")])
def test_one_voter_that_knows_better_is_enough(returning: Lab, lost: str, teller: str) -> None:
    lab = returning
    lab.partition("node1", lost)
    lab.power_on("node1")
    until("node1 superseded", lambda: guard_is(lab, "node1", "superseded", f"{teller} knows epoch 2"))
    assert observe(lab, "node1")["database"]["running"] is False


def fingerprint(lab: Lab, node: str) -> str:
    """Return a checksum over every file of a node's database: names, sizes, times, contents.

    The pid file that the power cut left is not part of it (Debian's tools remove it).
    """
    data = data_of_database(lab, node)
    script = (
        'cd "$1" && { find . -type f ! -name postmaster.pid -printf "%p %s %T@ %m %u\\n" | sort; '
        "find . ! -type f -printf '%p %m %u\\n' | sort; "
        "find . -type f ! -name postmaster.pid -print0 | sort -z | xargs -0 sha256sum; } | sha256sum"
    )
    done = lab.run(node, ["sh", "-c", script, "sh", data])
    assert done.returncode == 0, done.stderr
    return done.stdout


def ways(lab: Lab, node: str) -> list[list[str]]:
    """Return every way of starting PostgreSQL that Debian and PostgreSQL themselves offer."""
    unit, data = unit_of_database(lab, node), data_of_database(lab, node)
    version, cluster = data.split("/")[-2:]
    conf, programs = f"/etc/postgresql/{version}/{cluster}", f"/usr/lib/postgresql/{version}/bin"
    as_postgres = ["runuser", "-u", "postgres", "--"]
    options = f"-c config_file={conf}/postgresql.conf"
    return [
        ["systemctl", "start", unit],
        ["systemctl", "restart", unit],
        ["systemctl", "start", "postgresql"],
        ["service", "postgresql", "start"],
        ["/etc/init.d/postgresql", "start"],
        ["pg_ctlcluster", version, cluster, "start"],
        ["pg_ctlcluster", "--skip-systemctl-redirect", version, cluster, "start"],
        [*as_postgres, "pg_ctlcluster", "--skip-systemctl-redirect", version, cluster, "start"],
        [*as_postgres, f"{programs}/pg_ctl", "-D", conf, "-w", "start"],
        [*as_postgres, f"{programs}/pg_ctl", "-D", data, "-w", "-o", options, "start"],
        [*as_postgres, "timeout", "10", f"{programs}/postgres", "-D", data],
        [*as_postgres, "timeout", "10", f"{programs}/postgres", "-D", conf],
        [*as_postgres, "timeout", "10", f"{programs}/postgres", "--single", "-D", conf, "epns_prod"],
    ]


def count_connections(lab: Lab, node: str) -> None:
    """Begin to count the connections that a node opens to others."""
    rules = (
        "add table inet audit; add chain inet audit out { type filter hook output priority 0; }; "
        'add rule inet audit out oifname != "lo" tcp flags & (syn|ack) == syn counter'
    )
    assert lab.run(node, ["nft", rules]).returncode == 0


def connections(lab: Lab, node: str) -> int:
    listed = lab.run(node, ["nft", "list", "table", "inet", "audit"]).stdout
    found = re.search(r"counter packets (\d+)", listed)
    assert found, listed
    return int(found[1])


def test_it_stays_closed_and_still_whatever_is_tried(returning: Lab) -> None:
    lab = returning
    lab.power_on("node1")
    until("node1 superseded", lambda: guard_is(lab, "node1", "superseded", WHY))
    ran, before = jobs(lab, "node1"), fingerprint(lab, "node1")
    count_connections(lab, "node1")
    for way in ways(lab, "node1"):
        done: subprocess.CompletedProcess[str] = lab.run("node1", way, input="", timeout=30)
        alive = lab.run("node1", ["pgrep", "-x", "-u", "postgres", "postgres"])
        assert alive.returncode == 1, f"{way} started PostgreSQL: {done.stdout}{done.stderr}"
    for unit in (APPLICATION, "lpse-follow.service"):
        lab.run("node1", ["systemctl", "start", unit])
        assert lab.run("node1", ["systemctl", "is-active", unit]).stdout.strip() == "inactive"
    # No job of the active node runs, nothing is opened to anybody: it can push nothing.
    assert lab.run(
        "node1", ["systemctl", "is-active", "lpse-active.target", "lpse-test.timer"]
    ).stdout.split() == [
        "inactive",
        "inactive",
    ]
    assert jobs(lab, "node1") == ran
    assert connections(lab, "node1") == 0
    assert_closed(lab, "node1", WHY)
    # An operator's word does not open it either, nor does asking again; and its own record stays: it knows that it was
    # active, and nothing lets it forget while its data is there.
    assert lab.run("node1", [HELPER, "release", "--reason", "it was the better server"]).returncode == 3
    refused = lab.run("node1", [HELPER, "epoch", "adopt"])
    assert refused.returncode == 3
    assert "still in place" in refused.stdout
    lab.run("node1", ["systemctl", "restart", "lpse-guard.service"])
    until("node1 superseded again", lambda: guard_is(lab, "node1", "superseded", WHY))
    assert observe(lab, "node1")["record"]["active"] == "node1"

    # What is on its disk stays as it was for the audit, over another start of the host, too.
    assert fingerprint(lab, "node1") == before
    lab.power_cut("node1")
    lab.power_on("node1")
    until("node1 superseded again", lambda: guard_is(lab, "node1", "superseded", WHY))
    assert fingerprint(lab, "node1") == before


def test_it_says_why_on_its_console_and_in_status(returning: Lab) -> None:
    lab = returning
    console = Path(find(lab.names, "node1").base, "console.log")
    told = console.stat().st_size
    lab.power_on("node1")
    until("node1 superseded", lambda: guard_is(lab, "node1", "superseded", WHY))
    assert WHY in lab.run("node1", ["cat", "/etc/issue.d/lpse-guard.issue"]).stdout
    assert WHY in lab.run("node1", ["journalctl", "--unit", "lpse-guard", "--boot", "--no-pager"]).stdout
    until("it is on the console", lambda: WHY.encode() in console.read_bytes()[told:])
    found = ended(command(lab, "status"), 8)
    assert any("superseded" in reason and WHY in reason for reason in found["reasons"]), found["reasons"]
    assert any("lpse-ops divergence" in reason for reason in found["reasons"])
    assert found["hosts"]["node1"]["state"]["guard"]["state"] == "superseded"
    assert found["protection"] == "unprotected"
