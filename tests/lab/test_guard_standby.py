"""Standbys that are not as they should be before a failover, and since when a site is alone."""

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lpse_ops.lab.lab import Lab
from tests.lab.guard_bench import command, ended, observe, refused, serves, sql, until

pytestmark = pytest.mark.one_release


@contextmanager
def site_with(lab: Lab, pattern: str, replacement: str) -> Iterator[None]:
    """Change the lab's site.yml for a while."""
    path = Path(lab.site_folder, "group_vars", "all", "site.yml")
    kept = path.with_name("site.yml.kept")
    shutil.copy2(path, kept)
    text, count = re.subn(pattern, replacement, path.read_text())
    assert count == 1
    try:
        path.write_text(text)
        yield
    finally:
        kept.replace(path)


def step(report: Any, name: str) -> Any:
    return next(step for step in report["steps"] if step["id"] == name)


def test_replay_that_was_paused_is_resumed(protected_lab: Lab) -> None:
    lab = protected_lab
    sql(lab, "node1", "CREATE TABLE said (words text)")
    until("node2 has it", lambda: sql(lab, "node2", "SELECT to_regclass('said') IS NOT NULL") == "t")
    sql(lab, "node2", "SELECT pg_wal_replay_pause()")
    sql(lab, "node1", "INSERT INTO said VALUES ('acknowledged')")
    lsn = sql(lab, "node1", "SELECT pg_current_wal_flush_lsn()")
    until(
        "node2 has received it",
        lambda: sql(lab, "node2", f"SELECT pg_last_wal_receive_lsn() >= '{lsn}'::pg_lsn") == "t",
    )
    assert sql(lab, "node2", "SELECT count(*) FROM said") == "0"
    assert any(
        "Replay on the standby node2 is paused" in r for r in ended(command(lab, "status"), 8)["reasons"]
    )
    lab.power_cut("node1")
    plan = ended(command(lab, "failover", "--plan"), 0)
    assert any("Replay on node2 is paused" in note for note in plan["facts"]["notes"])
    report = ended(command(lab, "failover", "--yes"), 5)
    assert step(report, "database.promote")["facts"]["resumed"] is True
    assert sql(lab, "node2", "SELECT words FROM said") == "acknowledged"


def test_a_standby_beyond_the_policy_needs_a_typed_reason(protected_lab: Lab) -> None:
    """It lags by more than the RPO: stated, and only with a reason gone on with."""
    lab = protected_lab
    sql(lab, "node1", "CREATE TABLE said (at timestamptz, filler text)")
    lab.partition("node1", "node2")
    deadline = time.monotonic() + 12
    while time.monotonic() < deadline:
        sql(lab, "node1", "INSERT INTO said SELECT now(), repeat('x', 8000) FROM generate_series(1, 20)")
    with site_with(lab, r"rpo_s: 60", "rpo_s: 5"):
        until(
            "the lag shows in status",
            lambda: any(
                "seconds behind" in r or "s behind" in r for r in ended(command(lab, "status"), 8)["reasons"]
            ),
        )
        lab.power_cut("node1")
        lab.heal()
        stopped = ended(command(lab, "failover", "--yes"), 4)["error"]
        assert "--accept-loss" in stopped["hint"]
        assert observe(lab, "node2")["record"]["epoch"] == 1
        report = ended(
            command(lab, "resume", "--yes", "--accept-loss", "the head of LPSE agreed by phone"), 5
        )
    assert report["stated_loss"]["seconds"] > 5
    assert report["stated_loss"]["wal_bytes"] > 100_000
    assert step(report, "loss.confirm")["facts"]["accept_loss"] == "the head of LPSE agreed by phone"
    assert serves(lab, "node2")


def shift_clock(lab: Lab, node: str, seconds: int) -> None:
    """Let the programs of lpse-node on a node read another time (hosts of a lab share the machine's clock)."""
    script = f"#!/bin/sh\nexec /usr/bin/date --date='{seconds} seconds' \"$@\"\n"
    lab.run(node, ["tee", "/usr/sbin/date"], input=script)
    lab.run(node, ["chmod", "755", "/usr/sbin/date"])


def test_wrong_zone_or_clock_does_not_open(protected_lab: Lab) -> None:
    lab = protected_lab
    lab.power_cut("node1")
    lab.run("node2", ["ln", "-sf", "/usr/share/zoneinfo/Etc/UTC", "/etc/localtime"])
    shift_clock(lab, "node2", 300)
    why = refused(command(lab, "failover", "--yes"))
    assert "node2 is on the zone Etc/UTC" in why
    assert "clock of node2 differs" in why
    right = "/usr/share/zoneinfo/Asia/Jakarta"
    lab.run("node2", ["ln", "-sf", right, "/etc/localtime"])
    lab.run("node2", ["rm", "/usr/sbin/date"])

    # It goes wrong after the plan was made: the step before the opening finds it, and the public keeps the notice.
    command(lab, "failover", "--yes", LPSE_OPS_KILL_AT="after:database.promote")
    lab.run("node2", ["ln", "-sf", "/usr/share/zoneinfo/Etc/UTC", "/etc/localtime"])
    stopped = ended(command(lab, "resume", "--yes"), 4)["error"]
    assert any("zone Etc/UTC" in reason for reason in stopped["reasons"]), stopped
    lab.run("node2", ["ln", "-sf", right, "/etc/localtime"])
    shift_clock(lab, "node2", -300)
    stopped = ended(command(lab, "resume", "--yes"), 4)["error"]
    assert any("off by 300" in reason for reason in stopped["reasons"]), stopped
    assert observe(lab, "node2")["proxy"]["open"] is False
    lab.run("node2", ["rm", "/usr/sbin/date"])
    ended(command(lab, "resume", "--yes"), 5)
    assert serves(lab, "node2")


def since(lab: Lab) -> float | None:
    found: float | None = ended(command(lab, "status"), 8)["unprotected_since"]
    return found


def test_the_clock_of_being_alone(protected_lab: Lab) -> None:
    lab = protected_lab
    assert ended(command(lab, "status"), 0)["unprotected_since"] is None
    begin = time.time()
    lab.partition("node1", "node2")
    until("the clock runs", lambda: since(lab) is not None, 90)
    started = since(lab)
    assert started is not None
    assert begin - 30 <= started <= time.time()
    told = command(lab, "status")
    assert any("Unprotected since" in reason for reason in ended(told, 8)["reasons"])
    # It keeps its time over a power cut of the active node (and of the controller, which keeps nothing).
    lab.power_cut("node1")
    lab.power_on("node1")
    until("node1 serves", lambda: serves(lab, "node1"), 120)
    until("the clock still runs", lambda: since(lab) == started)
    # A standby that streams is not enough: its documents must agree, too.
    lab.run("node2", ["systemctl", "stop", "lpse-follow"])
    lab.heal()
    until("node2 streams", lambda: observe(lab, "node2")["database"]["receiver"] == "streaming", 90)
    until("the clock still runs", lambda: since(lab) == started)
    lab.run("node2", ["systemctl", "start", "lpse-follow"])
    until("the clock has stopped", lambda: ended(command(lab, "status"), 0)["unprotected_since"] is None)


def test_a_failover_starts_the_clock(protected_lab: Lab) -> None:
    lab = protected_lab
    lab.power_cut("node1")
    report = ended(command(lab, "failover", "--yes"), 5)
    promoted = report["unprotected_since"]
    assert promoted is not None
    assert ended(command(lab, "report", report["run"]), 0)["unprotected_since"] == promoted
    started = since(lab)
    assert started is not None
    assert abs(started - promoted) < 10
