"""Voters that are slow, lie, or have lost what they knew: none of it opens a node, and all of it can be mended."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lpse_ops.lab.lab import Lab
from tests.lab.guard_bench import (
    HELPER,
    assert_closed,
    command,
    ended,
    guard_is,
    observe,
    refused,
    serves,
    until,
    verb,
)

pytestmark = pytest.mark.one_release
CONF = "/etc/ssh/sshd_config.d/60-lpse-voter.conf"
# What stands in the place of the forced command: `sudo -n /usr/local/sbin/lpse-node vote`.
FAKES = {
    "slow": (f"sleep 30; sudo -n {HELPER} vote", "repository does not answer"),
    "replay": ("cat /var/lib/lpse-test-answer", "the answer of repository does not count"),
    "garbage": ("head -c 20000 /dev/urandom", "the answer of repository does not count"),
    "endless": ("yes '{\"nonce\":1'", "the answer of repository does not count"),
    "silent": ("true", "repository does not answer"),
    "another": (
        # A good answer in form, to the right question, but of another host.
        f"""read -r n; echo "$n" | sudo -n {HELPER} vote | sed 's/"node":"repository"/"node":"node2"/'""",
        "the answer of repository does not count",
    ),
}


def put_fake(lab: Lab, kind: str) -> None:
    """Let the repository answer voters with a program of ours."""
    script = "/var/lib/lpse-test-voter"
    lab.run("repository", ["tee", script], input=f"#!/bin/sh\n{FAKES[kind][0]}\n")
    lab.run("repository", ["chmod", "755", script])
    edit = rf"s|^\( *ForceCommand \).*|\1{script}|"
    assert lab.run("repository", ["sed", "-i", edit, CONF]).returncode == 0
    # The key's own forced command is overruled by sshd's.
    assert lab.run("repository", ["systemctl", "reload", "ssh"]).returncode == 0


def restore_voter(lab: Lab) -> None:
    edit = rf"s|^\( *ForceCommand \).*|\1sudo -n {HELPER} vote|"
    lab.run("repository", ["sed", "-i", edit, CONF])
    lab.run("repository", ["systemctl", "reload", "ssh"])


@contextmanager
def other_host_key(lab: Lab) -> Iterator[None]:
    """Let the repository be another machine for a while: same address, same programs, another host key."""
    key = "/etc/ssh/ssh_host_ed25519_key"
    lab.run(
        "repository",
        ["sh", "-c", f"cp -p {key} {key}.kept; cp -p {key}.pub {key}.pub.kept; rm {key} {key}.pub"],
    )
    lab.run("repository", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
    lab.run("repository", ["systemctl", "restart", "ssh"])
    try:
        yield
    finally:
        lab.run("repository", ["sh", "-c", f"mv {key}.kept {key}; mv {key}.pub.kept {key}.pub"])
        lab.run("repository", ["systemctl", "restart", "ssh"])


def test_no_answer_but_a_true_one_opens(provisioned_lab: Lab) -> None:
    lab = provisioned_lab
    seen = lab.run("repository", [HELPER, "vote"], input="0123456789abcdef\n").stdout
    lab.run("repository", ["tee", "/var/lib/lpse-test-answer"], input=seen)
    lab.run("repository", ["sync"])
    lab.power_cut("node2")
    lab.power_cut("node1")
    put_fake(lab, "slow")
    lab.power_on("node1")
    for kind, (_, words) in FAKES.items():
        put_fake(lab, kind)
        until(f"node1 holds: {kind}", lambda words=words: guard_is(lab, "node1", "holding", words), 40)  # type: ignore[misc]
        assert observe(lab, "node1")["database"]["running"] is False, kind
    restored = False
    with other_host_key(lab):
        restore_voter(lab)
        restored = True
        until(
            "node1 holds: host key",
            lambda: guard_is(lab, "node1", "holding", "repository does not answer"),
            40,
        )
        lab.run("node1", ["systemctl", "restart", "lpse-guard"])
        until(
            "node1 holds again", lambda: guard_is(lab, "node1", "holding", "repository does not answer"), 40
        )
        assert not serves(lab, "node1")
    assert restored
    until("node1 serves once the true voter answers", lambda: serves(lab, "node1"), 120)


def test_a_key_that_a_voter_does_not_know_gets_no_answer(provisioned_lab: Lab) -> None:
    """The asking side, too: another key of node1 does not open the repository's account."""
    lab = provisioned_lab
    lab.power_cut("node2")
    keys = "/etc/lpse-ops/voter/id_ed25519"
    lab.run(
        "node1",
        [
            "sh",
            "-c",
            f"mv {keys} {keys}.kept; mv {keys}.pub {keys}.pub.kept; ssh-keygen -q -t ed25519 -N '' -f {keys}; sync",
        ],
    )
    lab.power_cut("node1")
    lab.power_on("node1")
    until("node1 holds", lambda: guard_is(lab, "node1", "holding", "repository does not answer"))
    lab.run("node1", ["sh", "-c", f"mv {keys}.kept {keys}; mv {keys}.pub.kept {keys}.pub"])
    until("node1 serves", lambda: serves(lab, "node1"), 120)


def test_a_record_half_written_at_a_power_cut(provisioned_lab: Lab) -> None:
    lab = provisioned_lab
    for damage in ('truncate -s $(($(stat -c %s "$1") / 2)) "$1"', 'head -c 200 /dev/urandom >"$1"'):
        lab.run("node1", ["sh", "-c", f"{damage} && sync", "sh", "/var/lib/lpse-ops/epoch.json"])
        lab.power_cut("node1")
        lab.power_on("node1")
        # Though the others agree: what it was is not guessed.
        until("node1 holds", lambda: guard_is(lab, "node1", "holding", "cannot be read"))
        assert_closed(lab, "node1", "cannot be read")
        found = ended(command(lab, "status"), 8)
        assert "node1 has no epoch record." in found["reasons"]
        assert any("epoch adopt" in reason for reason in found["reasons"])
        assert verb(lab, "node1", "epoch", "adopt")["record"]["active"] == "node1"
        until("node1 serves", lambda: serves(lab, "node1"), 120)


def test_a_repository_that_was_set_up_anew(protected_lab: Lab) -> None:
    lab = protected_lab
    record = observe(lab, "repository")["record"]
    lab.run("repository", ["sh", "-c", "rm -rf /var/lib/lpse-ops/epoch.json /var/lib/lpse-ops/token && sync"])
    found = ended(command(lab, "status"), 8)
    assert "repository has no epoch record." in found["reasons"]
    # It confirms nobody: the active node alone with it holds, with the standby it opens.
    lab.power_cut("node1")
    lab.power_cut("node2")
    lab.power_on("node1")
    until("node1 holds", lambda: guard_is(lab, "node1", "holding", "repository has no record"))
    # Nor may a failover be based on it.
    lab.power_cut("node1")
    lab.power_on("node2")
    until("node2 is a standby", lambda: guard_is(lab, "node2", "standby"))
    why = refused(command(lab, "failover", "--yes"))
    assert "repository has no readable epoch record" in why
    assert observe(lab, "node2")["record"] == record
    lab.power_on("node1")
    until("node1 serves, confirmed by node2", lambda: serves(lab, "node1"), 120)
    assert guard_is(lab, "node1", "active", "confirmed by node2")
    done = command(lab, "provision", "repository")
    assert done.returncode == 0, done.stdout + done.stderr
    assert observe(lab, "repository")["record"] == record
    until("all is well", lambda: command(lab, "status").returncode == 0)


def test_the_repository_takes_what_another_voter_shows(provisioned_lab: Lab) -> None:
    """Mended by hand, on its console."""
    lab = provisioned_lab
    record = observe(lab, "node1")["record"]
    lab.run("repository", ["rm", "/var/lib/lpse-ops/epoch.json"])
    assert verb(lab, "repository", "epoch", "adopt")["record"] == record
    assert json.loads(lab.run("repository", [HELPER, "epoch", "show"]).stdout)["state"] == "ok"
