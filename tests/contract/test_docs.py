"""What the README promises works: every command line in it is run or, where it needs a lab or minutes, parsed.

`make drill`, `make test` and `make lab` are run by CI itself (.ci/run), by tests/drills and by tests/lab; here it is
checked that such targets exist. A line with `lpse-ops` that needs hosts is parsed by the real command line: a renamed
option fails here, and the command itself is run against a lab in tests/lab and tests/drills.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lpse_ops.cli.app import StubCommand, build
from tests.contract.test_cli import EXIT_CODES
from tests.support.modules import ROOT

READMES = ("README.md", "README.id.md", "CONTRIBUTING.md")
# Run here as they stand: they need no lab, and seconds.
CHEAP = ("cp ", ".venv/bin/lpse-ops site ")
# The example is not filled in: `site check` says so with 2.
EXPECTED = {".venv/bin/lpse-ops site check --site inventory/office": 2}


def commands(name: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / name).read_text(), re.M | re.S)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


ALL = [(name, line) for name in READMES for line in commands(name)]


def test_both_languages_show_the_same_commands() -> None:
    assert commands("README.md") == commands("README.id.md")
    assert {"make drill", "make test"} <= set(commands("README.md"))


@pytest.mark.parametrize(("name", "line"), ALL, ids=[f"{name}: {line}" for name, line in ALL])
def test_command_line(name: str, line: str, tmp_path: Path) -> None:
    words = [word for word in shlex.split(line) if word != "sudo"]
    if words[0] == "make":
        assert re.search(rf"^{re.escape(words[1])}:", (ROOT / "Makefile").read_text(), re.M), line
    elif line.startswith(CHEAP):
        run_in_copy(line, tmp_path)
    else:
        assert words[0] == ".venv/bin/lpse-ops", f"say in this test how this line is tested: {line}"
        parse(words[1:])


def run_in_copy(line: str, folder: Path) -> None:
    """Run a line where it changes nothing of the checkout, after the cheap lines before it."""
    shutil.copytree(ROOT / "inventory", folder / "inventory")
    before = [x for x in commands("README.md") if x.startswith("cp ") and x != line]
    for each in [*before, line]:
        words = shlex.split(each)
        if words[0] == ".venv/bin/lpse-ops":
            words = [sys.executable, "-m", "lpse_ops", *words[1:]]
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == EXPECTED.get(each, 0), done.stderr


def parse(words: list[str]) -> None:
    command: Any = build()
    while not isinstance(command, StubCommand):
        command = command.commands[words.pop(0)]
    command.load().make_context("lpse-ops", words)


@pytest.mark.parametrize("name", ["README.md", "README.id.md"])
def test_exit_codes_in_the_readme(name: str) -> None:
    rows = re.findall(r"^\| (\d) \| ", (ROOT / name).read_text(), re.M)
    assert [int(code) for code in rows] == [0, *sorted(EXIT_CODES.values())]


@pytest.mark.parametrize(
    "path", [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "inventory").rglob("*.md")], ids=str
)
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text())
    assert [t for t in targets if "://" not in t and not (path.parent / t).exists()] == []


def test_makefile_explains_itself() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.M)
    assert phony
    for target in phony[1].split():
        assert re.search(rf"^{target}:.* ## .+$", text, re.M), target
