"""`lpse-ops release`: an operator's word opens a node whose voters are away, and only such a node."""

import pytest

from lpse_ops.lab.lab import Lab
from tests.lab.guard_bench import command, ended, guard_is, make_active, observe, refused, serves, until

pytestmark = pytest.mark.one_release
REASON = "repository and node2 burnt, seen by Sari"


def test_a_node_whose_voters_are_gone(protected_lab: Lab) -> None:
    lab = protected_lab
    for host in ("node1", "node2", "repository"):
        lab.power_cut(host)
    lab.power_on("node1")
    until("node1 holds", lambda: guard_is(lab, "node1", "holding"))

    refused(command(lab, "release", "node1", "--reason", "too short", "--yes"), 2)
    assert "node9" in refused(command(lab, "release", "node9", "--reason", REASON, "--yes"), 2)
    # The host that cannot be seen, and has power, may be the active node.
    lab.partition("node2")
    lab.power_on("node2", wait=False)
    assert "node2 has power but cannot be seen" in refused(
        command(lab, "release", "node1", "--reason", REASON, "--yes")
    )
    assert guard_is(lab, "node1", "holding")
    lab.power_cut("node2")
    lab.heal()

    done = ended(command(lab, "release", "node1", "--reason", REASON, "--yes"), 0)
    assert (done["node"], done["changed"], done["serving"]) == ("node1", True, True)
    assert serves(lab, "node1")
    assert observe(lab, "node1")["guard"]["state"] == "released"
    assert REASON in lab.run("node1", ["cat", "/var/lib/lpse-ops/releases.jsonl"]).stdout
    # A second time changes nothing.
    assert ended(command(lab, "release", "node1", "--reason", REASON, "--yes"), 0)["changed"] is False
    # It ends with the power, and it is not needed once a voter answers.
    lab.power_cut("node1")
    lab.power_on("node1")
    until("node1 holds again", lambda: guard_is(lab, "node1", "holding"))
    lab.power_on("repository")
    until("node1 serves", lambda: serves(lab, "node1"), 120)
    assert observe(lab, "node1")["guard"]["state"] == "active"


def test_what_is_not_released(protected_lab: Lab) -> None:
    lab = protected_lab
    why = refused(command(lab, "release", "node2", "--reason", REASON, "--yes"))
    assert "names node1 active" in why
    assert "it is standby" in why
    assert "database of node1 is open for writes" in why
    lab.power_cut("node1")
    make_active(lab, "node2")
    lab.power_on("node1")
    until("node1 superseded", lambda: guard_is(lab, "node1", "superseded"))
    why = refused(command(lab, "release", "node1", "--reason", REASON, "--yes"))
    assert "it is superseded" in why
    assert "node2 knows epoch 2, in which node2 is active" in why
    assert "repository knows epoch 2" in why
    assert observe(lab, "node1")["database"]["running"] is False
    lab.power_cut("node1")
    assert "node1 could not be seen" in refused(command(lab, "release", "node1", "--reason", REASON, "--yes"))
