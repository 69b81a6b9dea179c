"""House measures: sizes, and constructs that are not used here."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.modules import ROOT, sources

OURS = [
    *sources(),
    *(path for name in ("tests", "benchmarks", "scripts", "playbooks") for path in sources(ROOT / name)),
]
TASK_FILES = sorted(p for p in (ROOT / "roles").glob("*/*/**/*.yml") if p.parts[-2] in {"tasks", "handlers"})
PLAYS = sorted(p for p in (ROOT / "playbooks").rglob("*.yml") if not p.name.startswith("."))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def test_no_module_over_500_lines() -> None:
    assert [relative(p) for p in OURS if len(p.read_text().splitlines()) > 500] == []


def test_no_task_file_over_120_lines() -> None:
    assert TASK_FILES
    assert [relative(p) for p in TASK_FILES if len(p.read_text().splitlines()) > 120] == []


def test_every_module_says_what_it_is() -> None:
    assert [relative(p) for p in sources() if not ast.get_docstring(ast.parse(p.read_text()))] == []


def test_no_shell_true() -> None:
    wrong = [
        f"{relative(path)}:{call.lineno}"
        for path in OURS
        for call in calls(path)
        for keyword in call.keywords
        if keyword.arg == "shell"
        and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is False)
    ]
    assert wrong == []


def test_no_fixed_sleep() -> None:
    """Waiting is `wait_until` with a deadline.

    Where the package is not at hand (a script on a host) a loop may poll, if it looks at a deadline itself.
    """
    wrong = []
    for path in OURS:
        tree = ast.parse(path.read_text())
        polls = [
            {id(node) for node in ast.walk(loop)}
            for loop in ast.walk(tree)
            if isinstance(loop, ast.While)
            and any(w in ast.unparse(loop) for w in ("monotonic()", "deadline"))
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "sleep"}:
                fixed = bool(node.args) and isinstance(node.args[0], ast.Constant)
                if fixed and not any(id(node) in poll for poll in polls):
                    wrong.append(f"{relative(path)}:{node.lineno}")
    assert wrong == []


def test_no_bare_except() -> None:
    wrong = [
        f"{relative(path)}:{node.lineno}"
        for path in OURS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert wrong == []


@pytest.mark.parametrize("path", [*TASK_FILES, *PLAYS], ids=relative)
def test_tasks_neither_ignore_errors_nor_pause(path: Path) -> None:
    for task in _mappings(yaml.safe_load(path.read_text())):
        assert not task.keys() & {"ignore_errors", "ansible.builtin.pause", "pause"}
        # Of a whole play it is what refuses before anything changes; of a task it would be a riddle.
        assert "any_errors_fatal" not in task or "hosts" in task
        if "ignore_unreachable" in task:
            # Looking at a host that may be dead: only reading, and the answer is judged afterwards.
            assert task["changed_when"] is False
            assert "register" in task


def _mappings(data: object) -> list[dict[str, Any]]:
    if isinstance(data, dict):
        return [data, *(m for value in data.values() for m in _mappings(value))]
    return [m for item in data for m in _mappings(item)] if isinstance(data, list) else []


def test_files_with_secrets_are_not_shown() -> None:
    """A task that writes a secret is silent, with the differences of check mode too."""
    found = []
    for path in TASK_FILES:
        for task in _mappings(yaml.safe_load(path.read_text())):
            if re.search(r"password|status_key|proxy_key|application\.conf", str(task.get("lpse_files", ""))):
                assert task.get("no_log") is True, f"{relative(path)}: {task['name']}"
                found.append(task["name"])
    assert len(found) == 5, found
