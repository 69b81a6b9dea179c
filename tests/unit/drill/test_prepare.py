"""Commands of a drill are heard while they run, and their last words are the reason when they fail."""

import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lpse_ops.drill import prepare
from lpse_ops.errors import StepFailed

LAB = cast(Any, SimpleNamespace(name="x"))


def speaking(monkeypatch: pytest.MonkeyPatch, code: str) -> list[str]:
    """Let every command be a piece of Python; return the list that its lines will go to."""
    monkeypatch.setattr(prepare, "site_command", lambda lab, *words: [sys.executable, "-c", code])
    return []


def test_lines_are_told_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = speaking(
        monkeypatch, "import sys; print('a', file=sys.stderr); print('no'); print(' b', file=sys.stderr)"
    )
    prepare.shown(LAB, heard.append, "provision")
    assert heard == ["a", " b"]


def test_a_failure_names_command_code_and_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; [print(n, file=sys.stderr) for n in range(30)]; sys.exit(4)"
    with pytest.raises(StepFailed, match="`lpse-ops protect` ended with exit code 4") as caught:
        prepare.shown(LAB, speaking(monkeypatch, code).append, "protect")
    assert list(caught.value.reasons) == [str(n) for n in range(10, 30)]


def test_the_command_line_is_of_this_installation() -> None:
    line = prepare.cli(LAB, "verify", "node2")
    assert line == [
        sys.executable,
        "-m",
        "lpse_ops",
        "verify",
        "node2",
        "--site",
        "lab:x",
        "--output",
        "json",
    ]
