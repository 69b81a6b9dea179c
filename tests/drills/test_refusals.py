"""What a failover refuses, and that a refusal changes nothing."""

import os
import signal
import subprocess
from pathlib import Path

from lpse_ops.drill.prepare import cli, on_host
from lpse_ops.lab.lab import Lab
from lpse_ops.waiting import wait_until
from tests.drills.bench import ROOT, all_said, changed, error, forget_runs, lpse_ops, served_by, sql, told


def test_a_healthy_active_node_is_refused(protected_lab: Lab) -> None:
    found = error(lpse_ops(protected_lab, "failover", "--yes"), 3)
    assert "healthy" in all_said(found)
    assert "switchover" in all_said(found) + found["hint"]
    assert protected_lab.is_on("node1")
    assert served_by(protected_lab, "node1") == []


def test_a_plan_changes_nothing(protected_lab: Lab) -> None:
    protected_lab.power_cut("node1")
    forget_runs(protected_lab)
    before = on_host(protected_lab, "node2", ["cat", "/var/lib/lpse-ops/epoch.json"])
    plan = told(lpse_ops(protected_lab, "failover", "--plan"))
    assert plan["declared_dead"] == ["node1"]
    assert on_host(protected_lab, "node2", ["cat", "/var/lib/lpse-ops/epoch.json"]) == before
    assert sql(protected_lab, "node2", "SELECT pg_is_in_recovery()") == "t"
    assert told(lpse_ops(protected_lab, "journal", "list")) == []


def test_an_unknown_node(protected_lab: Lab) -> None:
    found = error(lpse_ops(protected_lab, "failover", "--to", "node9", "--yes"), 2)
    assert "node9" in found["message"]
    assert "node1, node2" in found["hint"]


def test_a_wrong_vault_password(protected_lab: Lab, tmp_path: Path) -> None:
    wrong = tmp_path / "password"
    wrong.write_text("wrong\n")
    error(lpse_ops(protected_lab, "failover", "--vault-password-file", str(wrong)), 2)


def test_a_wrong_password_of_the_bmc(protected_lab: Lab) -> None:
    protected_lab.power_cut("node1")
    path = protected_lab.site_folder / "group_vars" / "all" / "site.yml"
    text = path.read_text().replace("user: lpse,", "user: nobody,")
    with changed(path, text):
        found = error(lpse_ops(protected_lab, "failover", "--yes"), 3)
    assert "BMC of node1" in all_said(found)


def test_a_changed_host_key(protected_lab: Lab) -> None:
    protected_lab.power_cut("node1")
    path = protected_lab.site_folder / "known_hosts"
    lines = path.read_text().splitlines()
    swapped = {"198.51.100.12": "198.51.100.30", "198.51.100.30": "198.51.100.12"}
    text = "\n".join(_renamed(line, swapped) for line in lines) + "\n"
    with changed(path, text):
        found = error(lpse_ops(protected_lab, "failover", "--yes"), 3)
    assert "host key" in all_said(found).lower()


def _renamed(line: str, swapped: dict[str, str]) -> str:
    names, _, rest = line.partition(" ")
    return ",".join(swapped.get(name, name) for name in names.split(",")) + " " + rest


def test_an_unreachable_standby_and_repository(protected_lab: Lab) -> None:
    protected_lab.power_cut("node1")
    protected_lab.partition("node2", "controller")
    protected_lab.partition("repository", "controller")
    try:
        found = error(lpse_ops(protected_lab, "failover", "--yes"), 3)
    finally:
        protected_lab.heal()
    assert "node2" in all_said(found)
    assert "repository" in all_said(found)


def test_another_version_of_lpse_node(protected_lab: Lab) -> None:
    protected_lab.power_cut("node1")
    on_host(
        protected_lab, "node2", ["sed", "-i", "s/^VERSION=.*/VERSION='9.9.9'/", "/etc/lpse-ops/node.conf"]
    )
    found = error(lpse_ops(protected_lab, "failover", "--yes"), 3)
    assert "9.9.9" in all_said(found)


def test_a_second_run_while_one_holds_the_lock(protected_lab: Lab) -> None:
    protected_lab.power_cut("node1")
    verb = [
        "/usr/local/sbin/lpse-node",
        "lock",
        "--run",
        "20261124T000000Z-failover-aaaa",
        "--holder",
        "ani@here:1",
    ]
    with subprocess.Popen(
        protected_lab.command("repository", verb), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as held:
        assert held.stdin is not None
        assert held.stdout is not None
        assert "token" in held.stdout.readline()
        found = error(lpse_ops(protected_lab, "failover", "--yes"), 6)
        held.stdin.close()
    assert "ani@here" in all_said(found)


def test_more_than_the_rpo_needs_a_reason(protected_lab: Lab) -> None:
    path = protected_lab.site_folder / "group_vars" / "all" / "site.yml"
    protected_lab.power_cut("node1")
    text = path.read_text()
    assert "rpo_s: 60" in text
    with changed(path, text.replace("rpo_s: 60", "rpo_s: 0")):
        found = error(lpse_ops(protected_lab, "failover", "--yes"), 4)
        assert "--accept-loss" in found["hint"]
        done = lpse_ops(protected_lab, "resume", "--yes", "--accept-loss", "the head of LPSE agreed by phone")
    assert done.returncode == 5, done.stdout[-2000:] + done.stderr[-2000:]
    assert served_by(protected_lab, "node2") == []


def test_a_proof_that_is_lost_supersedes_the_run(protected_lab: Lab) -> None:
    protected_lab.power_cut("node1")
    lpse_ops(protected_lab, "failover", "--yes", LPSE_OPS_KILL_AT="after:loss.confirm")
    protected_lab.power_on("node1")
    found = error(lpse_ops(protected_lab, "resume", "--yes"), 3)
    assert "superseded" in found["message"]
    assert wait_until(lambda: served_by(protected_lab, "node1") == [], 90)


def test_ctrl_c_stops_between_two_steps(protected_lab: Lab, tmp_path: Path) -> None:
    protected_lab.power_cut("node1")
    told_file = tmp_path / "progress"
    with told_file.open("w") as progress:
        run = subprocess.Popen(
            cli(protected_lab, "failover", "--yes"),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=progress,
        )
    assert wait_until(lambda: "✓" in told_file.read_text(), 30, every=0.01)
    run.send_signal(signal.SIGINT)
    assert run.wait(60) == 4, told_file.read_text()
    done = lpse_ops(protected_lab, "resume", "--yes")
    assert done.returncode == 5, done.stdout[-2000:] + done.stderr[-2000:]
    assert served_by(protected_lab, "node2") == []
