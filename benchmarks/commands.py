"""Time and memory of the commands on a lab site: provision (bare, again), protect, status (cold), failover.

Usage: ``python -m benchmarks.commands [--release 12|13] [--rounds N]``. Makes a lab of its own, removes it. Memory is
the sum over the command's process and all its children (PSS, so that shared pages count once), looked at every
0.1 s. Writes ``build/bench/commands.json``; exits 1 if a limit is passed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lpse_ops.drill.options import DrillOptions
from lpse_ops.drill.prepare import cli, environment, load
from lpse_ops.lab import Lab
from lpse_ops.waiting import wait_until

OUT = Path("build/bench/commands.json")
STATUS_S = 1.5
MEMORY_MB = 300.0
LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Measured:
    """One run of a command: seconds from start to exit, MB at most, exit code."""

    name: str
    seconds: float
    megabytes: float
    exit_code: int


def measure(name: str, argv: Sequence[str]) -> Measured:
    """Given a command, run it to its end and return its time and its highest memory."""
    started = time.monotonic()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    highest = 0.0
    while True:
        highest = max(highest, _megabytes(process.pid))
        try:
            code = process.wait(LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            continue
        return Measured(name, round(time.monotonic() - started, 3), round(highest, 1), code)


def _megabytes(root: int) -> float:
    """Return the memory of a process and all that descend from it; what ends meanwhile counts nothing."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(") ")[2].split()[1])
        except OSError:
            continue
    family, new = {root}, {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - family
        family |= new
    return sum(_pss(pid) for pid in family) / 1024


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def run(lab: Lab, release: str, rounds: int) -> list[Measured]:
    """Given the name of a lab that is not up, measure every command on it in the order of a site's life."""
    lab.up(release)
    found = [measure("provision, bare hosts", cli(lab, "provision"))]
    found.append(measure("provision, second run", cli(lab, "provision")))
    load(lab, "node1", DrillOptions(name=lab.name, release=release, folder=OUT.parent))
    found.append(measure("protect", cli(lab, "protect")))
    found.append(measure("protect, second run", cli(lab, "protect")))
    wait_until(lambda: measure("", cli(lab, "status")).exit_code == 0, 60)
    found += [measure("status", cli(lab, "status")) for _round in range(rounds)]
    lab.power_cut("node1")
    found.append(measure("status, active node dead", cli(lab, "status")))
    found.append(measure("failover", cli(lab, "failover", "--yes")))
    return found


def faults(found: Sequence[Measured]) -> list[str]:
    """Given all measurements, return the limits that were passed and the commands that failed."""
    status = statistics.median(m.seconds for m in found if m.name == "status")
    wanted = {"failover": 5, "status, active node dead": 8}
    said = [f"status takes {status:.2f} s, more than {STATUS_S} s"] if status > STATUS_S else []
    said += [f"{m.name}: exit code {m.exit_code}" for m in found if m.exit_code != wanted.get(m.name, 0)]
    # Ansible's forks are not the controller's own memory on the hot path; they are shown, not judged.
    return said + [
        f"{m.name} takes {m.megabytes} MB, more than {MEMORY_MB:.0f} MB"
        for m in found
        if m.name.startswith(("status", "failover")) and m.megabytes > MEMORY_MB
    ]


def main() -> int:
    """Measure, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--release", choices=["12", "13"], default="12")
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    lab = Lab("bench-commands", lambda line: print(line, file=sys.stderr))
    lab.down()
    try:
        found = run(lab, chosen.release, chosen.rounds)
    finally:
        lab.down()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps([asdict(m) for m in found], indent=2) + "\n")
    for each in found:
        print(f"{each.name:<26} {each.seconds:8.2f} s {each.megabytes:7.1f} MB   exit {each.exit_code}")
    said = faults(found)
    print("\n".join(said))
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
