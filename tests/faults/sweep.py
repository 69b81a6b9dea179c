"""The fault sweep: ``python -m tests.faults.sweep [--labs N] [--release R] [--only TEXT] [--seed S]``.

For every step of every plan the controller is killed before, during, inside and after it, and the run is resumed,
every second time by another controller that never saw it. Shows a line a row and a table, writes build/sweep.json,
ends with 1 if anything was violated. Labs work side by side, each in a process of its own.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lpse_ops.errors import LpseError
from lpse_ops.lab.lab import Lab
from lpse_ops.site import enter_network, load_site
from tests.faults.row import Row, ready, rows_of, run, steps_of
from tests.faults.scenarios import SCENARIOS, Scenario

ROOT = Path(__file__).parents[2]
OUT = ROOT / "build" / "sweep.json"
_printing = threading.Lock()


def main(argv: Sequence[str] | None = None) -> int:
    """Given the arguments, sweep and return the exit code."""
    options = _arguments().parse_args(argv)
    if options.worker is not None:
        return work(options)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    say(f"Fault sweep, seed {seed}, {options.labs} labs, Debian {options.release}")
    rows: list[dict[str, Any]] = []
    lanes = [threading.Thread(target=_lane, args=(options, seed, n, rows)) for n in range(options.labs)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    return report(rows, seed)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sweep", description="Kill the controller at every step of every plan."
    )
    parser.add_argument("--labs", type=int, default=2, help="labs side by side (default 2)")
    parser.add_argument("--release", default="12", help="Debian release of the hosts (default 12)")
    parser.add_argument("--name", default="sweep", help="prefix of the labs' names; kept labs are used again")
    parser.add_argument("--only", default="", help="rows whose name holds this text")
    parser.add_argument(
        "--seed", type=int, help="which controller resumes which row (default: a new one, printed)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the labs up")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    return parser


def _lane(options: argparse.Namespace, seed: int, number: int, rows: list[dict[str, Any]]) -> None:
    """Run one worker process and take its rows as they come."""
    words = ["--worker", str(number), "--seed", str(seed)]
    for name in ("labs", "release", "name", "only"):
        words += [f"--{name}", str(getattr(options, name))]
    words += ["--keep"] if options.keep else []
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.sweep", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as worker:
        for line in worker.stdout or ():
            if line.startswith("{"):
                row = json.loads(line)
                with _printing:
                    rows.append(row)
                    show(len(rows), row)
            else:
                say(line.rstrip())
    if worker.returncode != 0:
        with _printing:
            rows.append(_broken(f"worker {number} ended with {worker.returncode}"))


def show(number: int, row: dict[str, Any]) -> None:
    """Print one row and what it violated."""
    verdict = "VIOLATED" if row["violations"] else "ok"
    what = f"{row['scenario']}, {row['cause']}: {row['moment']} {row['step']}, {row['controller']}"
    print(f"{number:>4}  {verdict:8}  {row['seconds']:5.1f} s  {what}", flush=True)
    for violation in row["violations"]:
        print(f"        {violation}", flush=True)


def _broken(why: str) -> dict[str, Any]:
    return {**asdict(Row("-", "-", "-", "-", "-")), "violations": [why]}


def work(options: argparse.Namespace) -> int:
    """Run this worker's share of the rows in a lab of its own; print each as a line of JSON."""
    lab = Lab(
        f"{options.name}{options.worker}-{options.release}", report=lambda text: print(text, file=sys.stderr)
    )
    try:
        if not lab.exists():
            lab.down()
            lab.up(options.release)
        ready(lab)
        enter_network(load_site(f"lab:{lab.name}"))
        with tempfile.TemporaryDirectory() as folder:
            for scenario, row in share(lab, options):
                try:
                    run(lab, scenario, row, Path(folder))
                except (LpseError, OSError, AssertionError, ValueError, subprocess.TimeoutExpired) as error:
                    row.violations.append(f"the row broke off: {error!r}")  # the next begins anew
                print(json.dumps(asdict(row)), flush=True)
    finally:
        if not options.keep:
            lab.down()
    return 0


def share(lab: Lab, options: argparse.Namespace) -> list[tuple[Scenario, Row]]:
    """Return the rows of this worker: every n-th of all, in the same order in every worker of a seed."""
    rows: list[tuple[Scenario, Row]] = []
    for scenario in SCENARIOS:
        rows += [
            (scenario, row) for row in rows_of(scenario, steps_of(lab, scenario), options.seed + len(rows))
        ]
    chosen = [pair for pair in rows if options.only in pair[1].name]
    return chosen[options.worker :: options.labs]


def report(rows: list[dict[str, Any]], seed: int) -> int:
    """Print the counted table, write build/sweep.json and return the exit code."""
    violations = sum(len(row["violations"]) for row in rows)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(
        json.dumps({"runs": len(rows), "violations": violations, "seed": seed, "rows": rows}, indent=2)
    )
    good = Counter((row["step"], row["moment"]) for row in rows if not row["violations"])
    every = Counter((row["step"], row["moment"]) for row in rows)
    moments = sorted(
        {moment for _step, moment in every}, key=["before", "during", "inside", "after", "-"].index
    )
    say("\n" + f"{'step':28}" + "".join(f"{moment:>10}" for moment in moments))
    for step in dict.fromkeys(row["step"] for row in rows):
        cells = [f"{good[step, m]}/{every[step, m]}" if every[step, m] else "" for m in moments]
        say(f"{step:28}" + "".join(f"{cell:>10}" for cell in cells))
    say(f"\n{len(rows)} runs, {violations} violations; seed {seed}; {OUT.relative_to(ROOT)}")
    return 1 if violations or not rows else 0


def say(text: str) -> None:
    """Print a line of the report."""
    with _printing:
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
