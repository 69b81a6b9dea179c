"""The return guard on real hosts: who comes back after a power cut, who opens, who does not and says so."""

import json
import subprocess
import time

from lpse_ops.lab.lab import Lab
from lpse_ops.waiting import scaled
from tests.lab.guard_bench import (
    HELPER,
    assert_closed,
    guard_is,
    make_active,
    observe,
    serves,
    unit_of_database,
    until,
)


def test_the_new_active_node_comes_back_by_itself(protected_lab: Lab) -> None:
    lab = protected_lab
    lab.power_cut("node1")
    make_active(lab, "node2")
    lab.power_cut("node2")
    lab.power_on("node2")
    until("node2 serves", lambda: serves(lab, "node2"), 180)
    assert observe(lab, "node2")["guard"]["state"] == "active"


def test_a_standby_alone_comes_up_read_only(protected_lab: Lab) -> None:
    lab = protected_lab
    for host in ("node1", "node2", "repository"):
        lab.power_cut(host)
    lab.power_on("node2")
    until("node2 follows", lambda: observe(lab, "node2")["database"]["in_recovery"] is True)
    seen = observe(lab, "node2")
    assert seen["guard"]["state"] == "standby"
    assert seen["application"]["state"] == "inactive"
    assert seen["address"]["held"] is False
    written = lab.run(
        "node2", ["runuser", "-u", "postgres", "--", "psql", "-c", "CREATE TABLE x ()", "postgres"]
    )
    assert "read-only transaction" in written.stderr
    for unit in ("spse@production.service",):
        lab.run("node2", ["systemctl", "start", unit])
        assert lab.run("node2", ["systemctl", "is-active", unit]).stdout.strip() == "inactive"
    # It has no other voter's word, so it cannot be made active from its own console either.
    refused = lab.run("node2", [HELPER, "promote", "--run", "r", "--token", "9"])
    assert refused.returncode == 3
    assert "names node1 active" in refused.stdout


def test_a_standby_without_its_signal_does_not_open_for_writes(protected_lab: Lab) -> None:
    lab = protected_lab
    unit = unit_of_database(lab, "node2")
    data = "/var/lib/postgresql/" + unit.removeprefix("postgresql@").removesuffix(".service").replace(
        "-", "/"
    )
    lab.run("node2", ["systemctl", "stop", unit])
    lab.run("node2", ["rm", f"{data}/standby.signal"])
    assert lab.run("node2", ["systemctl", "start", unit]).returncode != 0
    assert "it would open for writes" in lab.run("node2", ["journalctl", "--unit", unit, "--no-pager"]).stdout


def test_the_active_node_holds_until_a_voter_answers(provisioned_lab: Lab) -> None:
    """A voter whose programs hang still accepts connections: that is no answer."""
    lab = provisioned_lab
    until("node1 serves", lambda: serves(lab, "node1"), 180)
    lab.power_cut("node1")
    lab.power_cut("node2")
    lab.freeze("repository", "hang")
    lab.power_on("node1")
    until("node1 holds", lambda: guard_is(lab, "node1", "holding"))
    assert_closed(lab, "node1", "repository does not answer")
    assert lab.run("node1", ["systemctl", "is-system-running"]).stdout.strip() in ("running", "degraded")
    lab.thaw("repository")
    until("node1 serves", lambda: serves(lab, "node1"), 180)
    assert observe(lab, "node1")["guard"]["state"] == "active"
    assert lab.run("node1", ["test", "-e", "/etc/issue.d/lpse-guard.issue"]).returncode != 0


def test_a_restarted_guard_leaves_a_node_at_work_alone(provisioned_lab: Lab) -> None:
    lab = provisioned_lab
    until("node1 serves", lambda: serves(lab, "node1"), 180)
    before = lab.run(
        "node1", ["systemctl", "show", "-p", "MainPID", "--value", unit_of_database(lab, "node1")]
    ).stdout
    lab.power_cut("repository")
    lab.power_cut("node2")
    lab.run("node1", ["systemctl", "restart", "lpse-guard.service"])
    until("the guard is through", lambda: "open since before" in observe(lab, "node1")["guard"]["reason"])
    assert serves(lab, "node1")
    after = lab.run(
        "node1", ["systemctl", "show", "-p", "MainPID", "--value", unit_of_database(lab, "node1")]
    ).stdout
    assert after == before


def ssh(lab: Lab, user: str, host: str, *words: str) -> list[str]:
    """Return the command by which the technician's key logs in from the controller."""
    site = lab.site_folder
    options = ["-F", "/dev/null", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={site}/known_hosts"]
    return lab.command(
        "controller", ["ssh", *options, "-i", f"{site}/ssh/id_ed25519", f"{user}@{host}", *words]
    )


def test_a_controller_that_vanishes_frees_the_lock(provisioned_lab: Lab) -> None:
    lab = provisioned_lab
    address = "198.51.100.30"
    holder = subprocess.Popen(
        ssh(lab, "lpse-hot", address, "sudo", "-n", HELPER, "lock", "--run", "r1", "--holder", "lost"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        first = json.loads(holder.stdout.readline())["token"]
        taken = lab.run("repository", [HELPER, "lock", "--run", "r2", "--holder", "next"], input="")
        assert taken.returncode == 6
        assert json.loads(taken.stdout)["holder"] == "lost"
        lab.partition("controller")
        begin = time.monotonic()
        tokens: list[int] = []

        def free() -> bool:
            again = lab.run("repository", [HELPER, "lock", "--run", "r2", "--holder", "next"], input="")
            if again.returncode == 0:
                tokens.append(json.loads(again.stdout)["token"])
            return again.returncode == 0

        until("the lock is free", free, 30)
        assert time.monotonic() - begin <= scaled(15) + 3
        assert tokens == [first + 1]
    finally:
        lab.heal()
        holder.kill()
        holder.communicate()


def test_the_accounts_can_do_nothing_else(provisioned_lab: Lab) -> None:
    lab = provisioned_lab

    def run(command: list[str], text: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=scaled(60), check=False
        )

    assert json.loads(run(ssh(lab, "lpse-hot", "198.51.100.11", "sudo", "-n", HELPER, "version")).stdout)
    for words in (
        ["sudo", "-n", "id"],
        ["sudo", "-n", "/bin/sh", "-c", "id"],
        ["LPSE_NODE_ROOT=/tmp", "sudo", "-n", "-E", HELPER],
    ):
        refused = run(ssh(lab, "lpse-hot", "198.51.100.11", *words))
        assert refused.returncode != 0
        assert "uid=0" not in refused.stdout
    # The technician's key does not open the voters' account, and the voters' key does nothing but ask.
    assert run(ssh(lab, "lpse-voter", "198.51.100.30", "id")).returncode == 255
    keys = "/etc/lpse-ops/voter"
    asked = lab.run(
        "node1",
        [
            *(
                "ssh",
                "-F",
                "/dev/null",
                "-i",
                f"{keys}/id_ed25519",
                "-o",
                "BatchMode=yes",
                "-o",
                "HostKeyAlias=repository",
            ),
            *("-o", f"UserKnownHostsFile={keys}/peers/repository.host", "lpse-voter@198.51.100.30", "id"),
        ],
        input="0123456789abcdef\n",
    )
    answer = json.loads(asked.stdout)
    assert answer["nonce"] == "0123456789abcdef"
    assert answer["node"] == "repository"
    assert answer["active_now"] is False


def test_observing_takes_one_short_look(provisioned_lab: Lab) -> None:
    lab = provisioned_lab
    until("node1 serves", lambda: serves(lab, "node1"), 180)
    script = (
        "for i in 1 2 3 4 5; do begin=$(date +%s%N)\n"
        '"$0" observe >/dev/null\n'
        "echo $((($(date +%s%N) - begin) / 1000000)); done"
    )
    times = [int(line) for line in lab.run("node1", ["bash", "-c", script, HELPER]).stdout.split()]
    assert min(times) < 300 * scaled(1), times
