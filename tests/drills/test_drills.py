"""Whole drills under ledger load: what is lost is what was stated, and the old node stays shut when it comes back."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lpse_ops.drill.lab_drill import drill
from lpse_ops.drill.options import DrillOptions
from lpse_ops.drill.prepare import choose_replication, load
from lpse_ops.lab.lab import Lab
from lpse_ops.papers.drill_report import write
from lpse_ops.waiting import wait_until
from tests.drills.bench import ROOT, lpse_ops, served_by, sql, told

SAMPLE_S = 2.0


def options(folder: Path, release: str, **more: Any) -> DrillOptions:
    return DrillOptions(name="test", release=release, folder=folder, **more)


def seeded(lab: Lab, chosen: DrillOptions) -> None:
    load(lab, "node1", chosen)
    assert wait_until(lambda: told(lpse_ops(lab, "status")).get("protection") == "protected", 60), (
        lpse_ops(lab, "status").stdout  # whole: pytest shortens what is parsed
    )


def check_the_report(result: dict[str, Any], folder: Path) -> None:
    json_path, html_path = write(result, folder)
    assert json.loads(json_path.read_text())["run"] == result["run"]
    page = html_path.read_text()
    assert result["run"] in page
    assert "http" not in page.replace("http-equiv", ""), "the page needs nothing from elsewhere"


def test_power_cut(protected_lab: Lab, release: str, tmp_path: Path) -> None:
    chosen = options(tmp_path, release)
    seeded(protected_lab, chosen)

    result = drill(protected_lab, chosen, print)

    assert result["findings"] == []
    assert result["acknowledged"] >= 500
    assert result["unexpected"] == 0
    assert result["lost"] <= result["stated_loss"]["documents"]
    assert result["verification"]["passed"] >= 60
    assert (result["verification"]["failed"], result["verification"]["skipped"]) == (0, 0)
    assert result["notices"] > 0, "the public saw the notice while the node came up"
    check_the_report(result, tmp_path)
    the_record_can_be_read(protected_lab, result["run"])
    old_node_stays_shut(protected_lab)
    hosts_follow_the_record(protected_lab)


def old_node_stays_shut(lab: Lab) -> None:
    """The power supply is replaced: the old node boots, and no way of starting PostgreSQL opens it."""
    lab.power_on("node1")
    version = lab.run("node1", ["ls", "/etc/postgresql"]).stdout.strip()

    def guard() -> dict[str, Any]:
        return dict(json.loads(lab.run("node1", ["lpse-node", "guard", "show"]).stdout)["guard"])

    assert wait_until(lambda: guard().get("state") == "superseded", 60), guard()
    assert "node2" in guard()["reason"]
    by_unit = lab.run("node1", ["systemctl", "start", f"postgresql@{version}-main"])
    assert by_unit.returncode != 0
    by_wrapper = lab.run("node1", ["pg_ctlcluster", "--skip-systemctl-redirect", version, "main", "start"])
    assert by_wrapper.returncode != 0
    assert "open.conf" in by_wrapper.stdout + by_wrapper.stderr
    assert lab.run("node1", ["pg_isready", "-q"]).returncode != 0
    assert served_by(lab, "node2") == []


def the_record_can_be_read(lab: Lab, run: str) -> None:
    """Report and journal of the run, for programs and for people."""
    assert told(lpse_ops(lab, "report"))["run"] == run
    assert told(lpse_ops(lab, "journal", "list"))[-1] == {"run": run, "status": "incomplete"}
    assert told(lpse_ops(lab, "journal", "show"))[0]["type"] == "run-started"
    assert told(lpse_ops(lab, "journal", "verify"))["run"] == run
    for words in (["report", run], ["journal", "show", run], ["journal", "list"]):
        shown = subprocess.run(
            [sys.executable, "-m", "lpse_ops", *words, "--site", f"lab:{lab.name}"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.strip()


def hosts_follow_the_record(lab: Lab) -> None:
    """Rerun after the failover, provision and protect make of each host what the epoch record says, not what it was."""
    again = lpse_ops(lab, "provision")
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    assert served_by(lab, "node2") == []
    assert lab.run("node1", ["pg_isready", "-q"]).returncode != 0

    refused = lpse_ops(lab, "protect")
    assert refused.returncode == 3, refused.stdout[-3000:] + refused.stderr[-3000:]
    assert "--replace" in refused.stdout

    replaced = lpse_ops(lab, "protect", "--replace", "node1", "--yes")
    assert replaced.returncode == 0, replaced.stdout[-3000:] + replaced.stderr[-3000:]
    assert served_by(lab, "node2") == []
    assert "superseded-" in lab.run("node1", ["sh", "-c", "ls /var/lib/postgresql/*/"]).stdout
    status = lpse_ops(lab, "status")
    assert status.returncode == 0, status.stdout
    assert (told(status)["active"], told(status)["protection"]) == ("node2", "protected")


@pytest.mark.parametrize("cut_s", [10.0])
def test_links_cut_before_the_power(protected_lab: Lab, release: str, tmp_path: Path, cut_s: float) -> None:
    chosen = options(tmp_path, release, before_s=20.0, cut_links_s=cut_s)
    seeded(protected_lab, chosen)

    result = drill(protected_lab, chosen, print)

    stated = result["stated_loss"]["documents"]
    rate = result["acknowledged"] / (chosen.before_s + chosen.after_s)
    assert result["lost"] > 0
    assert result["lost"] <= stated <= 3 * result["lost"] + SAMPLE_S * rate
    assert result["stated_loss"]["seconds"] >= cut_s - SAMPLE_S
    assert result["unexpected"] == 0
    assert result["findings"] == []


def test_synchronous_replication_loses_nothing(protected_lab: Lab, release: str, tmp_path: Path) -> None:
    chosen = options(tmp_path, release, replication="sync")
    choose_replication(protected_lab, "sync")
    try:
        done = lpse_ops(protected_lab, "protect")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert "documents" in sql(protected_lab, "node1", "SHOW synchronous_standby_names")
        seeded(protected_lab, chosen)

        result = drill(protected_lab, chosen, print)

        assert result["lost"] == 0, result["comparison"]["lost_ids"]
        assert result["findings"] == []
    finally:
        choose_replication(protected_lab, "async")
