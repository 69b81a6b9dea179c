"""Run the tests in stages and count them: ``python scripts/test.py [STAGE...]``.

The cheap stages run first, one after the other; then two lanes of stages side by side, each with a lab of its own: a
lab waits half of its time (starts of hosts, writers, deadlines). A stage that fails ends the run when those at work
have ended. A skipped test counts as a fault: its environment was promised. So does a stage without tests.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COUNTED = ("passed", "failed", "skipped")


@dataclass(frozen=True)
class Stage:
    """A part of the tests: what pytest is told, on which Debian release (none: it makes no lab and needs no root)."""

    name: str
    words: tuple[str, ...]
    release: str = ""

    @property
    def labs(self) -> str:
        """The prefix of the names of its labs; stages of one release share theirs."""
        return f"test{os.getpid()}"


@dataclass
class Outcome:
    """What running stages brought: counts by stage, and whether all of them were good."""

    lines: dict[str, str] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    good: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, stage: Stage, counts: Mapping[str, int], line: str, *, good: bool) -> None:
        """Add what one stage brought; called by both lanes."""
        with self.lock:
            self.lines[stage.name] = line
            self.total = {name: self.total[name] + counts[name] for name in COUNTED}
            self.good = self.good and good


# The one list of stages. What does not depend on the release (marker one_release) is tested on 12 alone, and the drills
# are shared between the releases: every kind of drill runs, a whole power cut on both.
FIRST = (Stage("unit", ("tests/unit",)), Stage("contract", ("tests/contract",)))
LANES = (
    (
        Stage("lab-12", ("tests/lab",), "12"),
        Stage("drills-12", ("tests/drills/test_drills.py", "tests/drills/test_refusals.py"), "12"),
    ),
    (
        Stage("lab-13", ("tests/lab", "-m", "not one_release"), "13"),
        Stage(
            "drills-13",
            (
                "tests/drills/test_controllers.py",
                "tests/drills/test_fencing.py",
                "tests/drills/test_faults.py",
                "tests/drills/test_returns.py",
                "tests/drills/test_drills.py::test_power_cut",
                "tests/drills/test_sweep.py",
            ),
            "13",
        ),
    ),
)
STAGES = (*FIRST, *(stage for lane in LANES for stage in lane))


def main(names: Sequence[str]) -> int:
    """Given names of stages (none: all), run them, then take down the labs they made; return 0 if all are good."""
    unknown = set(names) - {stage.name for stage in STAGES}
    if unknown:
        say(
            "",
            f"unknown stages: {', '.join(sorted(unknown))}; there are: {', '.join(s.name for s in STAGES)}",
        )
        return 2
    chosen = [stage for stage in STAGES if not names or stage.name in names]
    outcome = Outcome()
    try:
        run_lane([stage for stage in FIRST if stage in chosen], outcome)
        with ThreadPoolExecutor() as pool:
            lanes = [[stage for stage in lane if stage in chosen] for lane in LANES]
            for done in [pool.submit(run_lane, lane, outcome) for lane in lanes]:
                done.result()
    finally:
        for stage in {stage.release: stage for stage in chosen if stage.release}.values():
            take_down(stage)
    counts = [outcome.lines[stage.name] for stage in chosen if stage.name in outcome.lines]
    say("", "\n".join(["", *counts, in_words(outcome.total)]))
    return 0 if outcome.good else 1


def run_lane(stages: Sequence[Stage], outcome: Outcome) -> None:
    """Run stages one after the other until one, here or in another lane, is not good; note what they brought."""
    for stage in stages:
        if not outcome.good:
            return
        started = time.monotonic()
        counts, faults, good = run(stage)
        line = f"{stage.name}: {in_words(counts)} in {time.monotonic() - started:.0f} s"
        line = "\n".join([line, *(f"  not good: {fault}" for fault in faults)])
        outcome.note(stage, counts, line, good=good)
        say("", line)


def run(stage: Stage) -> tuple[dict[str, int], list[str], bool]:
    """Given a stage, run it and return its counts, the tests that are not good and whether the stage is good."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "counts.json"
        environment = {
            "LPSE_OPS_TEST_RELEASES": stage.release,
            "LPSE_OPS_TEST_COUNTS": str(report),
            "LPSE_OPS_TEST_LABS": stage.labs,
            "LPSE_OPS_TEST_RESULTS": os.environ.get(
                "LPSE_OPS_TEST_RESULTS", str(ROOT / "build" / "tests.jsonl")
            ),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }
        if stage.release:  # two labs share the machine
            environment["LPSE_OPS_WAIT_SCALE"] = os.environ.get("LPSE_OPS_WAIT_SCALE", "1.5")
        shown = "-v" if stage.release else "-q"  # a line a test where a test takes its time
        pytest = ["-m", "pytest", shown, "-p", "no:cacheprovider", "--durations=15", *stage.words]
        code = call(stage, pytest, environment)
        told = json.loads(report.read_text()) if report.exists() else {}
    counts = {name: int(told.get(name, 0)) for name in COUNTED}
    good = code == 0 and counts["passed"] > 0 and not counts["failed"] and not counts["skipped"]
    return counts, list(told.get("faults", ())), good


def take_down(stage: Stage) -> None:
    """Remove the lab that stages of this release have shared."""
    call(stage, ["-m", "lpse_ops", "lab", "down", "--name", f"{stage.labs}-{stage.release}"], {})


def call(stage: Stage, words: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run this Python with `words`, as root if the stage makes a lab; show what it says line by line."""
    command = [sys.executable, *words]
    if stage.release and os.geteuid() != 0:
        command = ["sudo", "--preserve-env", *command]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            say(stage.name, line.rstrip())
    return process.returncode


_printing = threading.Lock()


def say(stage: str, text: str) -> None:
    """Print one line, with the stage it is about."""
    with _printing:
        print(f"{stage:10}| {text}" if stage else text, flush=True)


def in_words(counts: Mapping[str, int]) -> str:
    """Return counts as a person reads them."""
    return ", ".join(f"{counts[name]} {name}" for name in COUNTED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
