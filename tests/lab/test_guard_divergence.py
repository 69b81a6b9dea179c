"""The old node was taken for dead but lived: it closes itself, and what only it holds is found and listed."""

from typing import Any

import pytest

from lpse_ops.lab.lab import Lab
from tests.lab.conftest import lpse_ops
from tests.lab.guard_bench import (
    command,
    data_of_database,
    ended,
    follows,
    guard_is,
    make_active,
    observe,
    refused,
    sql,
    until,
    writable,
)

TREE = "/home/file/file_prod"


def put_document(lab: Lab, node: str, name: str, text: str) -> None:
    """Put a document into a node's tree, as the application would."""
    script = (
        'mkdir -p "$(dirname "$1/$2")" && cat >"$1/$2" && chown --reference="$1" "$(dirname "$1/$2")" "$1/$2"'
    )
    done = lab.run(node, ["sh", "-c", script, "sh", TREE, name], input=text)
    assert done.returncode == 0, done.stderr


def names(found: Any, which: str) -> list[str]:
    return [document["name"] for document in found["documents"][which]]


def test_what_an_old_node_that_lived_wrote_is_listed(protected_lab: Lab) -> None:
    lab = protected_lab
    sql(lab, "node1", "CREATE TABLE said (words text); INSERT INTO said VALUES ('before')")
    put_document(lab, "node1", "2026/both.rhs", "both")
    until("node2 has it", lambda: lab.run("node2", ["test", "-e", f"{TREE}/2026/both.rhs"]).returncode == 0)
    until("nothing to list", lambda: ended(command(lab, "divergence"), 0)["state"] == "none")

    # Nobody sees node1, and somebody swears that it is dead. It goes on taking writes.
    lab.partition("node1")
    until("node2 follows nobody", lambda: not follows(lab, "node2"), 90)
    sql(lab, "node1", "INSERT INTO said VALUES ('only here'), ('nowhere else')")
    put_document(lab, "node1", "2026/only here.rhs", "an offer")
    make_active(lab, "node2")
    sql(lab, "node2", "INSERT INTO said VALUES ('there')")
    put_document(lab, "node2", "2026/there.rhs", "another offer")
    assert writable(lab, "node1")
    assert "node1: Host node1 does not answer" in refused(command(lab, "divergence"))

    # It hears of the new epoch and closes itself.
    lab.heal()
    until("node1 superseded", lambda: guard_is(lab, "node1", "superseded", "epoch 2"))
    until("node1 is closed", lambda: observe(lab, "node1")["database"]["running"] is False)
    assert observe(lab, "node1")["address"]["held"] is False
    status = ended(command(lab, "status"), 8)
    assert any("bytes of log that node2 never had" in reason for reason in status["reasons"]), status[
        "reasons"
    ]

    found = ended(command(lab, "divergence"), 7)
    assert (found["active"], found["other"], found["state"]) == ("node2", "node1", "diverged")
    assert found["fork"]["timeline"] == 1
    assert found["log"]["commits"] >= 1
    assert found["log"]["bytes"] > 0
    assert found["log"]["last_commit"]
    assert found["log"]["errors"] == []
    assert names(found, "missing") == ["2026/only here.rhs"]
    assert found["documents"]["missing"][0]["bytes"] == len("an offer")
    assert names(found, "different") == []
    text = lpse_ops(lab, "divergence")
    assert text.returncode == 7
    assert "2026/only here.rhs" in text.stdout

    # Its database was not started for that, and it is still there when it has been replaced.
    assert observe(lab, "node1")["database"]["running"] is False
    data = data_of_database(lab, "node1")
    ended(command(lab, "protect", "--replace", "node1", "--yes"), 0)
    assert ended(command(lab, "divergence"), 0)["state"] == "none"
    kept = lab.run("node1", ["sh", "-c", f"ls -d {data}.superseded-*"]).stdout.split()
    assert len(kept) == 1
    assert sql(lab, "node1", "SELECT string_agg(words, ',') FROM said") == "before,there"


@pytest.mark.one_release
def test_a_standby_promoted_by_hand(protected_lab: Lab) -> None:
    """Somebody ran pg_promote on the standby: it is no standby any more, and no failover goes there."""
    lab = protected_lab
    assert sql(lab, "node2", "SELECT pg_promote()") == "t"
    sql(lab, "node2", "CREATE TABLE by_hand ()")
    status = ended(command(lab, "status"), 8)
    assert any("node2 is open for writes" in reason for reason in status["reasons"])
    assert any("bytes of log that node1 never had" in reason for reason in status["reasons"])
    found = ended(command(lab, "divergence"), 7)
    assert (found["active"], found["other"]) == ("node1", "node2")
    assert found["log"]["commits"] >= 1

    lab.power_cut("node1")
    why = refused(command(lab, "failover", "--yes"))
    assert "node2 was promoted by hand: it is on timeline 2" in why
    assert "the active node was on 1" in why
    # Made to look like a standby again it is still on its own timeline.
    unit_data = data_of_database(lab, "node2")
    lab.run("node2", ["runuser", "-u", "postgres", "--", "touch", f"{unit_data}/standby.signal"])
    lab.run("node2", ["systemctl", "restart", "postgresql@*"])
    until("node2 is in recovery", lambda: observe(lab, "node2")["database"]["in_recovery"] is True)
    assert "node2 was promoted by hand" in refused(command(lab, "failover", "--yes"))
    assert observe(lab, "node2")["record"]["epoch"] == 1
