"""Does the suite notice when a protection is taken away? ``python -m tests.faults.mutants [--only TEXT]``.

For each entry of `tests.faults.protections` the checkout, with its uncommitted changes, is copied, the one protection
is removed there, and the tests that name it are run. A mutant is killed only if one of them ran and failed. A test that
could not be collected or set up, one that hangs, a file that no longer parses, and tests that fail without any change
show nothing: they are errors of the list. Writes ``build/mutants.json``. Exit code: 0 all killed, 1 survivors, 2
errors.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.util import cache_from_source
from pathlib import Path
from xml.etree import ElementTree

import jinja2
import yaml

from lpse_ops.waiting import scaled
from tests.faults.mutant import Mutant
from tests.faults.protections import PROTECTIONS

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "mutants.json"
KILLED, SURVIVED, ERROR = "killed", "survived", "error"
_SLOTS = 2
_RUN_S = 180.0  # for the tests of one mutant; they take seconds
_TIMEOUT = "from pytest-timeout"  # how a test that hangs is told apart from one that fails


class Unusable(Exception):
    """The mutant says nothing about the suite; why."""


@dataclass(frozen=True)
class Row:
    """What became of one mutant; `by` is the test that failed, or why there is no verdict."""

    id: str
    protection: str
    seconds: float
    verdict: str
    by: str


def main(words: Sequence[str] | None = None) -> int:
    """Try all mutants, or those whose id holds ``--only TEXT``; print and write the table; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="only mutants whose id holds this")
    only = parser.parse_args(words).only
    chosen = [mutant for mutant in PROTECTIONS if only in mutant.id]
    if not chosen:
        parser.error(f"no mutant is named like {only}")
    rows = try_all(ROOT, chosen, lambda row: print(_line(row), flush=True))
    counted = report(rows)
    BUILD.parent.mkdir(exist_ok=True)
    BUILD.write_text(json.dumps(counted, indent=1) + "\n")
    print("  ".join(f"{key} {counted[key]}" for key in ("mutants", "killed", "survived", "errors")))
    return exit_code(rows)


def try_all(root: Path, mutants: Sequence[Mutant], tell: Callable[[Row], None]) -> list[Row]:
    """Given a checkout and its mutants, try each in a copy of its own, two at a time; `tell` hears of each."""
    with (
        tempfile.TemporaryDirectory(prefix="lpse-ops-mutants-") as folder,
        ThreadPoolExecutor(_SLOTS) as pool,
    ):
        whole = Path(folder) / "whole"
        copy(root, whole)
        sets = list(dict.fromkeys(mutant.tests for mutant in mutants))
        # Also what makes the copies fast: compiled once here, copied with everything else.
        without = dict(zip(sets, pool.map(lambda tests: _unchanged(whole, tests), sets), strict=True))

        def one(mutant: Mutant) -> Row:
            begin = time.monotonic()
            verdict, by = ERROR, without[mutant.tests]
            if not by:
                with tempfile.TemporaryDirectory(dir=folder) as own:
                    verdict, by = _tried(whole, Path(own) / "copy", mutant)
            row = Row(mutant.id, mutant.protection, round(time.monotonic() - begin, 1), verdict, by)
            tell(row)
            return row

        return list(pool.map(one, mutants))


def copy(root: Path, target: Path) -> None:
    """Given a checkout, copy what belongs to it, committed or not, to `target`."""
    told = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, told.split("\0")):
        source = root / name
        if source.is_file():  # not what was removed, nor an environment that is a link
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def mutate(folder: Path, mutant: Mutant) -> None:
    """Given a copy, take the protection away there. Raise Unusable if the list is out of date, or what is left no
    program.
    """
    path = folder / mutant.file
    text = path.read_text() if path.is_file() else ""
    if (count := text.count(mutant.old)) != 1:
        raise Unusable(f"{mutant.file} holds the old text {count} times, not once: this list is out of date")
    changed = text.replace(mutant.old, mutant.new)
    path.write_text(changed)
    Path(cache_from_source(str(path))).unlink(missing_ok=True)
    if fault := _unsound(path, changed):
        raise Unusable(f"{mutant.file} does not parse any more: {fault}")


def report(rows: Sequence[Row]) -> dict[str, object]:
    """Return what ``build/mutants.json`` holds."""
    counts = {name: sum(row.verdict == name for row in rows) for name in (KILLED, SURVIVED, ERROR)}
    return {
        "mutants": len(rows),
        "killed": counts[KILLED],
        "survived": counts[SURVIVED],
        "errors": counts[ERROR],
        "rows": [asdict(row) for row in rows],
    }


def exit_code(rows: Sequence[Row]) -> int:
    """Return 2 if any mutant could not be judged, 1 if any survived, else 0."""
    verdicts = {row.verdict for row in rows}
    return 2 if ERROR in verdicts else 1 if SURVIVED in verdicts else 0


def _tried(whole: Path, folder: Path, mutant: Mutant) -> tuple[str, str]:
    shutil.copytree(whole, folder)
    try:
        mutate(folder, mutant)
        failed, faults, _passed = _tests(folder, mutant.tests)
    except Unusable as error:
        return ERROR, str(error)
    if faults:
        return ERROR, faults[0]
    return (KILLED, failed[0]) if failed else (SURVIVED, "")


def _unchanged(folder: Path, tests: Sequence[str]) -> str:
    """Return why these tests say nothing: without any change they do not all pass; "" if they do."""
    try:
        failed, faults, passed = _tests(folder, tests)
    except Unusable as error:
        return str(error)
    problems = [*faults, *(f"{name} fails without any change" for name in failed)]
    return problems[0] if problems else "" if passed else "no test passed without any change"


def _tests(folder: Path, tests: Sequence[str]) -> tuple[list[str], list[str], int]:
    """Run tests in a copy until one fails; return those that failed, what else went wrong, how many passed."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o711)  # servers of tests run as accounts of their own
        file = Path(place) / "junit.xml"
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pytest",
                "-x",
                "-q",
                "-p",
                "no:cacheprovider",
                f"--junitxml={file}",
                *tests,
            ],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder), "TMPDIR": place},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=scaled(_RUN_S))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Unusable(f"the tests did not end within {scaled(_RUN_S):.0f} s") from None
        if not file.exists():
            raise Unusable(f"pytest ended with {process.returncode}: {said.strip().splitlines()[-1:]}")
        return _judged(file)


def _judged(file: Path) -> tuple[list[str], list[str], int]:
    """Read a junit file: ``failure`` is a test that ran and failed, ``error`` one that could not be set up."""
    failed, faults, passed = [], [], 0
    for case in ElementTree.parse(file).getroot().iter("testcase"):  # noqa: S314  (written by pytest just now)
        name = f"{case.get('classname', '').replace('.', '/')}::{case.get('name')}"
        failure, error = case.find("failure"), case.find("error")
        if error is not None:
            faults.append(f"{name}: {error.get('message', '')[:200]}")
        elif failure is not None and _TIMEOUT in failure.get("message", ""):
            faults.append(f"{name} hangs")
        elif failure is not None:
            failed.append(name)
        elif case.find("skipped") is not None:
            faults.append(f"{name} was skipped")
        else:
            passed += 1
    return failed, faults, passed


def _unsound(path: Path, text: str) -> str:
    """Return why a file of this kind is none any more, else "".

    A shell part with a slip in it would fail every test of the helper, and prove nothing about the one protection.
    """
    try:
        match path.suffix:
            case ".py":
                compile(text, str(path), "exec")
            case ".sh":
                subprocess.run(["/bin/sh", "-n", str(path)], capture_output=True, text=True, check=True)
            case ".yml":
                yaml.safe_load(text)
            case ".j2":
                jinja2.Environment(autoescape=True).parse(text)
    except subprocess.CalledProcessError as error:
        return str(error.stderr).strip()
    except (SyntaxError, yaml.YAMLError, jinja2.TemplateError) as error:
        return str(error)
    return ""


def _line(row: Row) -> str:
    return f"{row.verdict:<9}{row.seconds:6.1f} s  {row.id}: {row.protection}" + (
        f"  [{row.by}]" if row.by else ""
    )


if __name__ == "__main__":
    sys.exit(main())
