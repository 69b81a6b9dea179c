"""A failover while the repository is away: refused; as an exception, marked until the repository has witnessed it."""

from typing import Any

import pytest

from lpse_ops.lab.lab import Lab
from tests.lab.guard_bench import command, ended, guard_is, observe, refused, serves, until, writable

pytestmark = pytest.mark.one_release
REASON = "the repository burnt, the head of LPSE agreed"


def record(lab: Lab, host: str) -> Any:
    return observe(lab, host)["record"]


def test_a_promotion_without_the_repository(protected_lab: Lab) -> None:
    lab = protected_lab
    before = record(lab, "node2")
    # The repository answers: nothing to make an exception for.
    lab.power_cut("node1")
    assert "leave --unwitnessed out" in refused(command(lab, "failover", "--yes", "--unwitnessed", REASON))

    lab.power_cut("repository")
    why = refused(command(lab, "failover", "--yes"))
    assert "repository could not be seen" in why
    assert "--unwitnessed" in why
    refused(command(lab, "failover", "--yes", "--unwitnessed", "short"), 2)
    # A person's word about the old node is not enough without a witness.
    lab.partition("bmc1")
    assert "power of node1 cannot be read" in refused(
        command(lab, "failover", "--yes", "--unwitnessed", REASON, "--attest", "I have seen it burning")
    )
    lab.heal()
    assert record(lab, "node2") == before
    assert not writable(lab, "node2")

    report = ended(command(lab, "failover", "--yes", "--unwitnessed", REASON), 5)
    assert report["status"] == "incomplete"
    assert (report["witnessed"], report["unwitnessed"]) == (False, REASON)
    assert report["unprotected_since"] is not None
    assert "epoch.repository" not in {step["id"] for step in report["steps"]}
    until("node2 serves", lambda: serves(lab, "node2"))
    assert record(lab, "node2") == before | {
        "epoch": 2,
        "active": "node2",
        "run": report["run"],
        "witnessed": False,
    }
    status = command(lab, "status")
    assert any("Epoch 2 is unwitnessed" in reason for reason in ended(status, 8)["reasons"])
    events = ended(command(lab, "journal", "show", report["run"]), 0)
    assert REASON in str(events)

    # The repository comes back with the old record and would confirm node1, which only sees the repository. But it asks
    # node2 before it answers; that node2 looks after its witness itself does not count here.
    lab.run("node2", ["systemctl", "stop", "lpse-watch"])
    lab.partition("node1", "node2")
    lab.power_on("repository")
    assert record(lab, "repository")["epoch"] == 1
    lab.power_on("node1")
    until("node1 superseded", lambda: guard_is(lab, "node1", "superseded", "repository knows epoch 2"))
    assert not writable(lab, "node1")
    assert record(lab, "repository") == record(lab, "node2") | {"witnessed": True}
    lab.power_cut("node1")
    lab.heal()

    # node2 alone does not open again by itself: with the repository, or with an operator's word.
    lab.power_cut("repository")
    lab.power_cut("node2")
    lab.power_on("node2")
    until("node2 holds", lambda: guard_is(lab, "node2", "holding", "repository does not answer"))
    lab.power_on("repository")
    until("node2 serves", lambda: serves(lab, "node2"), 120)
    # And it learns that it is witnessed.
    until("node2 knows its witness", lambda: record(lab, "node2")["witnessed"] is True, 60)
    assert not any("unwitnessed" in reason for reason in ended(command(lab, "status"), 8)["reasons"])
    lab.power_on("node1")
    until("node1 superseded", lambda: guard_is(lab, "node1", "superseded"))
    ended(command(lab, "protect", "--replace", "node1", "--yes"), 0)
    for host in ("node1", "node2", "repository"):
        assert record(lab, host)["witnessed"] is True, host
    assert ended(command(lab, "status"), 0)["unprotected_since"] is None
