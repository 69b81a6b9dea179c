"""Every command has help and `--output json`; errors leave with their exit code; nothing shows a traceback."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lpse_ops
from lpse_ops import errors
from lpse_ops.cli.app import COMMANDS, Entry, StubCommand, build
from scripts.catalogue import messages
from tests.support.modules import ROOT

# design: "Exit codes"; the same table stands in README.md.
EXIT_CODES = {
    "InternalError": 1,
    "UsageError": 2,
    "Refused": 3,
    "StepFailed": 4,
    "Incomplete": 5,
    "LockHeld": 6,
    "FaultsFound": 7,
    "AttentionNeeded": 8,
}


def leaves(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], StubCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, StubCommand):
            yield (*path, name), command
        else:
            yield from leaves(command, (*path, name))


LEAVES = list(leaves(build()))


def run(
    *words: str, cwd: Path = ROOT, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    return subprocess.run(
        [sys.executable, "-m", "lpse_ops", *words],
        cwd=cwd,
        env=surroundings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_exit_codes_of_the_error_tree() -> None:
    def classes(root: type[errors.LpseError]) -> Iterator[type[errors.LpseError]]:
        for sub in root.__subclasses__():
            yield sub
            yield from classes(sub)

    found = {c.__name__: c.exit_code for c in classes(errors.LpseError) if c.__module__ == "lpse_ops.errors"}
    assert {name: code for name, code in found.items() if name in EXIT_CODES} == EXIT_CODES
    direct = {c.__name__ for c in errors.LpseError.__subclasses__() if c.__module__ == "lpse_ops.errors"}
    assert direct == set(EXIT_CODES)
    drawing = errors.__doc__ or ""
    own = [c for c in classes(errors.LpseError) if c.__module__ == "lpse_ops.errors"]
    assert all(c.__name__ in drawing and c.__doc__ for c in own)


def test_every_command_of_the_table_exists() -> None:
    named = {
        (name, sub) if sub else (name,)
        for name, entry in COMMANDS.items()
        for sub in ([None] if isinstance(entry, Entry) else entry.entries)
    }
    assert {path for path, _ in LEAVES} == named


@pytest.mark.parametrize(("path", "stub"), LEAVES, ids=[" ".join(path) for path, _ in LEAVES])
def test_help_and_json(path: tuple[str, ...], stub: StubCommand) -> None:
    command = stub.load()
    assert command.help, path
    assert stub.short_help
    assert {"output", "language"} <= {param.name for param in command.params}, path
    for param in command.params:
        if param.param_type_name == "option":
            assert param.help, f"{' '.join(path)}: {param.opts} has no help"


def test_commands_that_messages_name_exist() -> None:
    """A hint that names a command which does not exist is worse than none."""
    known = {path for path, _ in LEAVES}
    found = [m for text in messages() for m in re.finditer(r"(?:`|: )lpse-ops ([a-z]+)(?: ([a-z]+))?", text)]
    assert len(found) > 20
    assert {m[0] for m in found if (m[1],) not in known and (m[1], m[2]) not in known} == set()


def test_root_help_lists_all() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


def test_version() -> None:
    assert run("--version").stdout == f"lpse-ops {lpse_ops.__version__}\n"


@pytest.mark.parametrize(
    "words", [("nonsense",), ("site", "check", "--nonsense"), ("site", "check", "--output", "xml")]
)
def test_usage_errors_exit_2(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_errors_in_both_forms(tmp_path: Path) -> None:
    text = run("site", "check", "--site", str(tmp_path))
    assert text.returncode == 2
    assert text.stderr.startswith("Error: ")
    assert "What to do: " in text.stderr
    assert text.stdout == ""
    data = run("status", "--site", "nowhere", "--output", "json")
    assert data.returncode == 2
    error = json.loads(data.stdout)["error"]
    assert (error["exit_code"], error["type"]) == (2, "UsageError")
    assert error["hint"]


def test_errors_in_indonesian(tmp_path: Path) -> None:
    done = run("site", "check", "--site", "tidak-ada", "--language", "id", cwd=tmp_path)
    assert "Yang harus dilakukan: " in done.stderr


def test_a_fault_of_our_own_leaves_a_file_and_one_line(tmp_path: Path) -> None:
    code = (
        "import sys; from lpse_ops.cli import output, site; import lpse_ops.site.find as find\n"
        "def broken(ref): raise ZeroDivisionError('boom')\n"
        "find.find_inventory = broken\n"
        "sys.exit(output.run_cli(['site', 'check']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "LPSE_OPS_STATE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "ZeroDivisionError: boom" in done.stderr
    assert "Traceback" not in done.stderr
    (crash,) = (tmp_path / "crashes").iterdir()
    assert str(crash) in done.stderr
    assert "Traceback" in crash.read_text()
    assert crash.stat().st_mode & 0o777 == 0o600


def test_a_reader_that_goes_away_is_no_error() -> None:
    """As in `lpse-ops site schema | head -1`."""
    command = subprocess.Popen(
        [sys.executable, "-m", "lpse_ops", "site", "schema"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.close()
    assert command.stderr.read() == ""
    command.stderr.close()
    assert command.wait() == 141


def test_interrupt() -> None:
    code = (
        "import sys; from lpse_ops.cli import output; import lpse_ops.site.find as find\n"
        "def interrupted(ref): raise KeyboardInterrupt\n"
        "find.find_inventory = interrupted\n"
        "sys.exit(output.run_cli(['site', 'check']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert "lpse-ops resume" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_of_lazy_commands(shell: str) -> None:
    environment = {
        "_LPSE_OPS_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "lpse-ops site ",
        "COMP_CWORD": "2",
    }
    environment |= {"_TYPER_COMPLETE_ARGS": "lpse-ops site ", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = run(environment=environment)
    assert done.returncode == 0, done.stderr
    assert "check" in done.stdout
    assert "schema" in done.stdout


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("lpse-ops lab fault ", {"power-cut", "heal"}),
        ("lpse-ops lab fault power-cut ", {"node1", "repository"}),
        ("lpse-ops lab exec ", {"node2", "controller2"}),
        ("lpse-ops status --site ", {"lab", "example"}),
    ],
)
def test_completion_of_words(line: str, offered: set[str]) -> None:
    environment = {"_LPSE_OPS_COMPLETE": "complete_bash", "COMP_WORDS": line}
    done = run(environment=environment | {"COMP_CWORD": str(len(line.split()))})
    assert done.returncode == 0, done.stderr
    assert offered <= set(done.stdout.split()), done.stdout


def test_completion_knows_the_hosts_of_a_lab() -> None:
    from lpse_ops.cli import lab
    from lpse_ops.lab import names

    assert (*names.HOSTS, *names.CONTROLLERS, *names.BMCS.values()) == lab.HOSTS


def test_completion_can_be_installed(tmp_path: Path) -> None:
    # In a test there is no shell to detect: its name is given instead.
    environment = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done = run("--install-completion", "bash", environment=environment)
    assert done.returncode == 0, done.stderr
    assert "_LPSE_OPS_COMPLETE" in (tmp_path / ".bash_completions" / "lpse-ops.sh").read_text()
