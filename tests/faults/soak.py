"""The soak: ``python -m tests.faults.soak --minutes N [--seed S] [--round R]``: random faults and commands, under load.

Every round draws its faults, its commands and the moment at which a controller dies from the seed and its own number,
so ``--seed S --round R`` plays one round again, on a fresh site. Whatever was done, once everything is mended and every
run has been gone on with, one node serves, nothing is lost that was not stated, no two nodes ever took writes, and the
site can be protected again; many rounds begin where the one before them came home. Shows a line a round, writes
build/soak-SEED.json, ends with 1 if anything was violated.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lpse_ops.lab.lab import Lab
from lpse_ops.site import enter_network, load_site
from tests.faults.books import Books
from tests.faults.round import Round

ROOT = Path(__file__).parents[2]
OUT = ROOT / "build"


def main(argv: Sequence[str] | None = None) -> int:
    """Given the arguments, soak and return the exit code."""
    parser = argparse.ArgumentParser(prog="soak", description="Random faults and commands under load.")
    parser.add_argument("--minutes", type=float, default=20, help="how long (default 20)")
    parser.add_argument(
        "--seed", type=int, help="what everything is drawn from (default: a new one, printed)"
    )
    parser.add_argument("--round", type=int, help="play this round of the seed alone")
    parser.add_argument("--release", default="12", help="Debian release of the hosts (default 12)")
    parser.add_argument(
        "--name", help="name of the lab (default: soak and the seed); a kept one is used again"
    )
    parser.add_argument("--keep", action="store_true", help="leave the lab up")
    options = parser.parse_args(argv)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    say(f"Soak, seed {seed}, {options.minutes:g} minutes, Debian {options.release}")
    lab = Lab(options.name or f"soak{seed}", report=say)
    rounds: list[dict[str, Any]] = []
    try:
        if not lab.exists():
            lab.down()
            lab.up(options.release)
        with tempfile.TemporaryDirectory() as folder:
            _rounds(lab, options, seed, Path(folder), rounds)
    finally:
        if not options.keep:
            lab.down()
    return report(rounds, seed)


def _rounds(
    lab: Lab, options: argparse.Namespace, seed: int, folder: Path, rounds: list[dict[str, Any]]
) -> None:
    number, ends = options.round or 0, None
    entered, before, books = False, None, Books()
    while True:
        dice = random.Random(f"{seed}/{number}")  # noqa: S311 - drawn, to be drawn again
        played = Round(lab, dice, folder, number, books)
        played.ready(before)
        if not entered:
            enter_network(load_site(f"lab:{lab.name}"))
            entered = True
        ends = ends or time.monotonic() + options.minutes * 60  # the lab's own start does not count
        played.play()
        before = played.record
        rounds.append(asdict(before))
        show(rounds[-1])
        number += 1
        if options.round is not None or time.monotonic() > ends:
            return


def show(played: dict[str, Any]) -> None:
    """Print one round."""
    verdict = "VIOLATED" if played["violations"] else "ok"
    say(f"{played['number']:>4}  {verdict:8}  {played['seconds']:5.1f} s  {'; '.join(played['sequence'])}")
    for violation in played["violations"]:
        say(f"        {violation}")


def report(rounds: list[dict[str, Any]], seed: int) -> int:
    """Print the counts, write build/soak-SEED.json and return the exit code."""
    violations = sum(len(played["violations"]) for played in rounds)
    ended: dict[str, int] = {}
    for played in rounds:
        ended[played["ended"]] = ended.get(played["ended"], 0) + 1
    OUT.mkdir(exist_ok=True)
    path = OUT / f"soak-{seed}.json"
    path.write_text(json.dumps({"seed": seed, "violations": violations, "rounds": rounds}, indent=2))
    say(f"{len(rounds)} rounds, {violations} violations; seed {seed}; {path.relative_to(ROOT)}")
    say("ended: " + ", ".join(f"{how} {count}" for how, count in sorted(ended.items())))
    return 1 if violations or not rounds else 0


def say(text: str) -> None:
    """Print a line."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
