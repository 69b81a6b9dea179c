"""The controller killed after each step of the failover: ``resume`` ends in the same served state."""

import json
from pathlib import Path

import pytest

from lpse_ops.engine.runs import runs_folder
from lpse_ops.lab.lab import Lab
from lpse_ops.site import load_site
from tests.drills.bench import forget_runs, get, killed, lpse_ops, served_by, told

STEPS = (
    "fence.power-off",
    "fence.power-still-off",
    "fence.host-silent",
    "fence.address-silent",
    "fence.gate",
    "loss.state",
    "loss.confirm",
    "epoch.repository",
    "epoch.node2",
    "address.claim",
    "database.promote",
    "application.start",
    "clock.check",
    "proxy.open",
    "verify.outside",
)
MOMENTS = ("before", "inside", "after")


def journal_of(lab: Lab) -> Path:
    folder = runs_folder(load_site(f"lab:{lab.name}", secrets=False))
    found = sorted(folder.glob("*.jsonl"))
    assert len(found) == 1, found
    return found[0]


def test_the_steps_killed_here_are_all_steps_of_the_plan(protected_lab: Lab) -> None:
    protected_lab.power_cut("node1")
    plan = told(lpse_ops(protected_lab, "failover", "--plan"))
    assert {step["id"] for step in plan["steps"]} == set(STEPS)


# Every step dies after its outcome, and the irreversible ones also with their act done and the outcome unwritten.

CASES = [("after", step) for step in STEPS] + [
    ("inside", step) for step in ("fence.power-off", "epoch.repository", "epoch.node2", "database.promote")
]


@pytest.mark.parametrize(("moment", "step"), CASES)
def test_killed_and_resumed(protected_lab: Lab, moment: str, step: str) -> None:
    forget_runs(protected_lab)
    protected_lab.power_cut("node1")
    dead = lpse_ops(protected_lab, "failover", "--yes", LPSE_OPS_KILL_AT=f"{moment}:{step}")
    assert killed(dead), f"exit {dead.returncode}: {dead.stdout[-2000:]}{dead.stderr[-2000:]}"

    done = lpse_ops(protected_lab, "resume", "--yes")

    assert done.returncode == 5, f"exit {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    assert served_by(protected_lab, "node2") == []
    assert get(protected_lab, "/eproc4/lelang") == 200
    types = [json.loads(line)["type"] for line in journal_of(protected_lab).read_text().splitlines()]
    assert types.count("run-started") == 1
    assert "resumed" in types
    assert types[-1] == "run-ended"
    assert lpse_ops(protected_lab, "journal", "verify").returncode == 0
    again = lpse_ops(protected_lab, "resume", "--yes")
    assert again.returncode == 3, "a run that has ended is not resumed"
