"""Run the tests in stages and count them: ``python scripts/test.py [STAGE...]``.

A stage that fails stops the run. A skipped test counts as a fault: its environment was promised. So does a stage
without tests.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Stage:
    """A part of the tests: its folder, and whether it makes labs (and so needs root)."""

    name: str
    folder: str
    root: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()


# The one list of stages, in order: cheap ones first. The drills use the lab that stage lab-12 has provisioned.
STAGES = (
    Stage("unit", "tests/unit"),
    Stage("contract", "tests/contract"),
    Stage("lab-12", "tests/lab", root=True, environment={"LPSE_OPS_TEST_RELEASES": "12"}),
    Stage("drills", "tests/drills", root=True, environment={"LPSE_OPS_TEST_RELEASES": "12"}),
    Stage(
        "lab-13",
        "tests/lab",
        root=True,
        environment={"LPSE_OPS_TEST_RELEASES": "13"},
        more=("tests/drills/test_drills.py::test_power_cut", "-m", "not one_release"),
    ),
)
LABS = f"test{os.getpid()}"
COUNTED = ("passed", "failed", "skipped")


def run(stage: Stage) -> tuple[dict[str, int], bool]:
    """Given a stage, run it and return its counts and whether it is good."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "counts.json"
        environment = {
            **os.environ,
            **stage.environment,
            "LPSE_OPS_TEST_COUNTS": str(report),
            "LPSE_OPS_TEST_LABS": LABS,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=15", stage.folder, *stage.more]
        code = call(pytest, root=stage.root, environment=environment)
        counts = json.loads(report.read_text()) if report.exists() else dict.fromkeys(COUNTED, 0)
    return counts, code == 0 and counts["passed"] > 0 and not counts["failed"] and not counts["skipped"]


def call(words: list[str], *, root: bool, environment: dict[str, str]) -> int:
    """Run this Python with `words`, as root if need be; return its exit code."""
    command = [sys.executable, *words]
    if root and os.geteuid() != 0:
        command = ["sudo", "--preserve-env", *command]
    return subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False
    ).returncode


def main(names: list[str]) -> int:
    """Given names of stages (none: the default ones), run them, then take down the labs they made; return 0 if all
    are good.
    """
    try:
        return run_all(names)
    finally:
        for release in ("12", "13"):
            words = ["-m", "lpse_ops", "lab", "down", "--name", f"{LABS}-{release}"]
            if not names or any(stage.root for stage in STAGES if stage.name in names):
                call(words, root=True, environment=dict(os.environ))


def run_all(names: list[str]) -> int:
    """Given names of stages, run them in order until one is not good; print the counts; return 0 if all are good."""
    unknown = set(names) - {stage.name for stage in STAGES}
    if unknown:
        print(f"unknown stages: {', '.join(sorted(unknown))}; there are: {', '.join(s.name for s in STAGES)}")
        return 2
    lines: list[str] = []
    total = dict.fromkeys(COUNTED, 0)
    good = True
    for stage in STAGES:
        if names and stage.name not in names:
            continue
        started = time.monotonic()
        counts, good = run(stage)
        total = {name: total[name] + counts[name] for name in COUNTED}
        words = ", ".join(f"{counts[name]} {name}" for name in COUNTED)
        lines.append(f"{stage.name}: {words} in {time.monotonic() - started:.0f} s")
        print(lines[-1], flush=True)
        if not good:
            break
    print("\n".join(["", *lines, ", ".join(f"{total[name]} {name}" for name in COUNTED)]), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
