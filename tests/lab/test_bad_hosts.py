"""Hosts that are not as they should be: each is one clear refusal with host and remedy, and nothing is changed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lpse_ops.lab.lab import Lab
from lpse_ops.waiting import wait_until
from tests.lab.conftest import lpse_ops

pytestmark = pytest.mark.one_release
ACTIVE, STANDBY = "node1", "node2"
SERVICE = "198.51.100.10"


def told(lab: Lab, *words: str) -> tuple[int, dict[str, Any], str]:
    """Run a command; return its exit code, its JSON, and all that it says against something, in one text."""
    done = lpse_ops(lab, *words, "--output", "json", seconds=120)
    assert "Traceback" not in done.stderr
    data = json.loads(done.stdout)
    error = data.get("error") or {}
    said = [
        error.get("message", ""),
        *error.get("reasons", ()),
        error.get("hint") or "",
        *data.get("reasons", ()),
    ]
    return done.returncode, data, "\n".join(said)


def shell(lab: Lab, host: str, text: str) -> None:
    done = lab.run(host, ["sh", "-ec", text])
    assert done.returncode == 0, (host, text, done.stdout, done.stderr)


@contextmanager
def without(lab: Lab, host: str, path: str) -> Iterator[None]:
    """Take a file of a host away for a while."""
    shell(lab, host, f"mv {path} /root/taken-away")
    try:
        yield
    finally:
        shell(lab, host, f"mv /root/taken-away {path}")


def test_a_full_disk(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    lab.fill_disk(STANDBY)
    try:
        for command in ("provision", "protect"):
            code, _, said = told(lab, command)
            assert code == 3, said
            assert f"{STANDBY}: Too little room on the disk" in said
            assert "free are 0M on /" in said
        code, _, said = told(lab, "status")
        assert code == 8
        assert f"Only 0 MB are free on / of {STANDBY}" in said
        code, _, said = told(lab, "failover", "--plan")
        assert code == 3
        assert f"{STANDBY} has only 0 MB free on /; a promotion needs" in said
    finally:
        lab.free_disk(STANDBY)
    # PostgreSQL may have ended when it could not write; `protect` opens it again, if need be.
    code, _, said = told(lab, "protect")
    assert code == 0, said
    assert wait_until(lambda: told(lab, "status")[0] == 0, 60), told(lab, "status")
    code, data, _ = told(lab, "provision", STANDBY)
    assert (code, data["changed"]) == (0, {STANDBY: 0})


def test_no_root_rights(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    with without(lab, STANDBY, "/etc/sudoers.d/lpse-admin"):
        for command in ("provision", "protect", "verify"):
            code, _, said = told(lab, command)
            assert code == 3, said
            assert STANDBY in said
            assert "sudo: a password is required" in said


def test_no_rights_for_the_hot_path(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    with without(lab, STANDBY, "/etc/sudoers.d/lpse-node"):
        code, data, said = told(lab, "status")
        assert (code, list(data["unseen"])) == (8, [STANDBY])
        assert f"sudo on {STANDBY} refuses lpse-node to the user lpse-hot" in said
        assert told(lab, "failover", "--plan")[0] == 3


def test_lpse_node_of_another_version(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    shell(lab, STANDBY, "sed -i.kept \"s/^VERSION=.*/VERSION='0.0.9'/\" /etc/lpse-ops/node.conf")
    code, data, said = told(lab, "status")
    assert (code, list(data["unseen"])) == (8, [STANDBY])
    assert "version 0.0.9" in said
    code, _, said = told(lab, "failover", "--plan")
    assert code == 3
    assert "version 0.0.9" in said
    # The way out that the message names: the host's settings, and the watch that has read them, started anew.
    code, data, said = told(lab, "provision", STANDBY)
    assert (code, data["changed"]) == (0, {STANDBY: 2}), said
    assert told(lab, "status")[0] == 0


def test_a_stranger_has_the_service_address(protected_lab: Lab) -> None:
    lab = protected_lab
    lab.power_cut(ACTIVE)
    shell(lab, "repository", f"ip address add {SERVICE}/24 dev host0")
    try:
        code, _, said = told(lab, "failover", "--yes")
        assert code == 4, said
        assert f"Somebody still answers for {SERVICE}" in said
        record = json.loads(lab.run("repository", ["lpse-node", "epoch", "show"]).stdout)["record"]
        assert (record["epoch"], record["active"]) == (1, ACTIVE), "stopped before the point of no return"
    finally:
        shell(lab, "repository", f"ip address del {SERVICE}/24 dev host0")
    code, _, said = told(lab, "resume", "--yes")
    assert code == 5, said


def test_an_active_node_does_not_take_an_address_that_answers(protected_lab: Lab) -> None:
    lab = protected_lab
    lab.power_cut(ACTIVE)
    shell(lab, "repository", f"ip address add {SERVICE}/24 dev host0")
    try:
        lab.power_on(ACTIVE)
        assert wait_until(lambda: f"{SERVICE} is answered by" in told(lab, "status")[2], 60), told(
            lab, "status"
        )
        assert lab.run(ACTIVE, ["test", "-e", "/run/lpse/serving"]).returncode != 0
    finally:
        shell(lab, "repository", f"ip address del {SERVICE}/24 dev host0")
    assert wait_until(lambda: told(lab, "status")[0] == 0, 90), told(lab, "status")
