"""The mutant harness: what it calls killed, survived and an error; and that its list fits the code."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.faults import mutants
from tests.faults.mutant import Mutant
from tests.faults.mutants import Row, Unusable, exit_code, mutate, report, try_all
from tests.faults.protections import PROTECTIONS
from tests.support.modules import ROOT

CODE = """\
def may_open(proofs):
    if not proofs:
        return False
    return True
"""
TESTS = """\
import pytest
from gate import may_open

@pytest.fixture
def broken():
    assert not may_open([]), "a fixture"

def test_shut(): assert not may_open([])
def test_open(): assert may_open([1])
def test_set_up(broken): pass
def test_wrong(): assert False
@pytest.mark.skip
def test_left_out(): pass
def test_hangs():
    while may_open([]): pass
"""
CHECK = "    if not proofs:\n        return False\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one protection; its tests are not committed."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / "gate.py").write_text(CODE)
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    (folder / "test_gate.py").write_text(TESTS)
    return folder


def mutant(test: str, old: str = CHECK, new: str = "") -> Mutant:
    return Mutant("gate", "no proof, no opening", "gate.py", old, new, (f"test_gate.py::{test}",))


def tried(checkout: Path, *wanted: Mutant) -> list[tuple[str, str]]:
    told: list[Row] = []
    rows = try_all(checkout, wanted, told.append)
    assert sorted(told, key=repr) == sorted(rows, key=repr)
    assert (checkout / "gate.py").read_text() == CODE
    return [(row.verdict, row.by) for row in rows]


def test_a_test_that_fails_kills_and_one_that_does_not_lets_survive(checkout: Path) -> None:
    assert tried(checkout, mutant("test_shut"), mutant("test_open")) == [
        ("killed", "test_gate::test_shut"),
        ("survived", ""),
    ]


def test_what_shows_nothing_is_an_error(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutants, "_RUN_S", 8.0)
    wanted = {
        "out of date": mutant("test_shut", "    if proofs == []:\n"),
        "does not parse": mutant("test_shut", CHECK, "    if\n"),
        "a fixture": mutant("test_set_up"),
        "without any change": mutant("test_wrong"),
        "was skipped": mutant("test_left_out"),
        "no test passed": mutant("test_open or nothing"),
        "did not end": mutant("test_hangs"),
    }
    for words, (verdict, why) in zip(wanted, tried(checkout, *wanted.values()), strict=True):
        assert verdict == "error", words
        assert words in why or words == "no test passed", why


def test_the_report_counts_and_the_exit_code_says_the_worst() -> None:
    killed, survived, error = (Row(name, "p", 1.0, name, "") for name in ("killed", "survived", "error"))
    assert [exit_code(rows) for rows in ([killed], [killed, survived], [survived, error])] == [0, 1, 2]
    counted = report([killed, survived, error, killed])
    assert {key: counted[key] for key in ("mutants", "killed", "survived", "errors")} == {
        "mutants": 4,
        "killed": 2,
        "survived": 1,
        "errors": 1,
    }
    assert json.loads(json.dumps(counted))["rows"][1]["verdict"] == "survived"


def test_a_shell_part_that_no_longer_parses_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text("if true; then\n  echo\nfi\n")
    with pytest.raises(Unusable, match="does not parse"):
        mutate(tmp_path, Mutant("x", "x", "a.sh", "fi\n", "", ()))


def test_ids_are_unique() -> None:
    assert len({mutant.id for mutant in PROTECTIONS}) == len(PROTECTIONS)


@pytest.mark.parametrize("mutant", PROTECTIONS, ids=[mutant.id for mutant in PROTECTIONS])
def test_the_list_fits_the_code(mutant: Mutant, tmp_path: Path) -> None:
    """Whoever moves a protection moves its entry along: otherwise it would silently no longer be tried."""
    copied = tmp_path / mutant.file
    copied.parent.mkdir(parents=True)
    copied.write_text((ROOT / mutant.file).read_text())
    mutate(tmp_path, mutant)
    assert copied.read_text() != (ROOT / mutant.file).read_text()
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert f"def {name}(" in (ROOT / file).read_text(), test
