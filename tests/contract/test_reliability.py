"""docs/reliability.md covers every row of the list of faults, names tests that exist; its script fills it in."""

import ast
import re

import pytest

from scripts.reliability import PAGE, TEST, by_test, rewritten
from tests.support.modules import ROOT

ROWS = [
    line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| Fault")
]
NAMED = sorted({found for row in ROWS for found in TEST.findall(row)})


def test_every_row_of_the_list_has_a_section() -> None:
    assert re.findall(r"^## (\d+)\. ", PAGE.read_text(), re.M) == [str(n) for n in range(1, 14)]


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_named_test_exists(path: str, name: str) -> None:
    functions = [
        node.name
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    assert name in functions if name else any(function.startswith("test_") for function in functions)


def test_a_row_names_tests_or_says_not_yet() -> None:
    assert len(ROWS) > 40
    assert [row for row in ROWS if not TEST.search(row) and "not yet: " not in row] == []


def line(test: str, outcome: str, release: str = "12", session: float = 1.0) -> dict[str, object]:
    return {"test": test, "outcome": outcome, "release": release, "session": session, "at": 86400}


def test_the_last_result_of_each_release_is_told() -> None:
    row = "| A fault | `tests/a.py::test_x` `tests/b.py` | old |"
    results = by_test(
        [
            line("tests/a.py::test_x[one]", "failed", session=1.0),
            line("tests/a.py::test_x[one]", "passed", session=2.0),
            line("tests/a.py::test_x[two]", "passed", session=2.0),
            line("tests/b.py::test_y", "passed", release="13"),
        ]
    )
    assert rewritten(row, results).endswith("| 3 passed, Debian 12 and 13, 1970-01-02 |")


def test_a_failure_and_what_was_not_run_are_told() -> None:
    row = "| A fault | `tests/a.py::test_x` `tests/b.py` | old |"
    told = rewritten(row, by_test([line("tests/a.py::test_x", "failed", release="")]))
    assert told.endswith("| **FAILED** 1 of 1, 1970-01-02; 1 not run |")


@pytest.mark.parametrize(
    "row", ["| A fault | not yet: later | old |", "| A | `tests/c.py::test_z` | old |", "text"]
)
def test_what_has_no_new_result_stays(row: str) -> None:
    assert rewritten(row, by_test([line("tests/a.py::test_x", "passed")])) == row
