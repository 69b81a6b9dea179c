"""docs/reliability.md is true: every test it names exists, every row of the fault list is there."""

import re

import pytest

from tests.support.modules import ROOT

PAGE = (ROOT / "docs" / "reliability.md").read_text()
NAMED = sorted(set(re.findall(r"((?:unit|lab|drills)/[\w/]+\.py)(?:::(test_\w+))?", PAGE)))
FAULT_ROWS = 13


@pytest.mark.parametrize(("file", "test"), NAMED, ids=[f"{file}::{test}" for file, test in NAMED])
def test_a_named_test_exists(file: str, test: str) -> None:
    text = (ROOT / "tests" / file).read_text()
    assert not test or re.search(rf"^def {test}\(", text, re.MULTILINE)


def test_no_row_is_missing() -> None:
    rows = {int(number) for number in re.findall(r"^\| (\d+) ", PAGE, re.MULTILINE)}
    assert rows == set(range(1, FAULT_ROWS + 1))


def test_every_row_has_a_test_or_says_that_it_comes_later() -> None:
    for line in re.findall(r"^\| \d+ .*$", PAGE, re.MULTILINE):
        _empty, _fault, test, result, _end = (cell.strip() for cell in line.split("|"))
        assert "later" in test or result == "pass", line
