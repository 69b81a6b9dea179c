"""Language, state folder, content, output: small things everything stands on."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lpse_ops import content, i18n
from lpse_ops.cli import output
from lpse_ops.errors import InternalError, Refused, UsageError
from lpse_ops.state import state_folder

MESSAGE = "What to do: %(hint)s"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    i18n.set_language("en")
    output.use("text")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LANG": "id_ID.UTF-8"}, "id"),
        ({"LANG": "id_ID.UTF-8", "LPSE_OPS_LANGUAGE": "en"}, "en"),
        ({"LC_ALL": "C.UTF-8", "LANG": "id_ID.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_MESSAGES": "id"}, "id"),
        ({}, "en"),
    ],
)
def test_language_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name in ("LPSE_OPS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    i18n.set_language(None)
    assert i18n.language() == expected
    assert (i18n._(MESSAGE) == MESSAGE) is (expected == "en")


def test_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LPSE_OPS_STATE", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "lpse-ops"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert state_folder() == Path("/var/lib/lpse-ops")
    monkeypatch.setenv("LPSE_OPS_STATE", "/elsewhere")
    assert state_folder() == Path("/elsewhere")


def test_content_of_a_checkout_and_of_a_broken_installation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert (content.content_root() / "roles" / "node").is_dir()
    content.content_root.cache_clear()
    monkeypatch.setattr(content, "__file__", str(tmp_path / "lpse_ops" / "content.py"))
    with pytest.raises(InternalError, match="incomplete"):
        content.content_root()
    for name in ("playbooks", "roles", "templates", "inventory"):
        (tmp_path / "lpse_ops" / "_content" / name).mkdir(parents=True)
    assert content.content_root() == tmp_path / "lpse_ops" / "_content"
    content.content_root.cache_clear()


def test_emit(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit({"a": 1}, "words")
    output.emit({"a": 1}, lambda: "made when needed")
    output.emit({"path": Path("/x")})
    assert capsys.readouterr().out == 'words\nmade when needed\n{\n  "path": "/x"\n}\n'
    output.use("json")
    output.emit({"é": "ü"}, lambda: pytest.fail("not needed"))
    assert capsys.readouterr().out == '{\n  "é": "ü"\n}\n'


def test_reasons_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    error = Refused("No.", hint="Do this.", reasons=["one", "two"])
    assert output._report(error) == 3
    said = capsys.readouterr()
    assert said.err == "Error: No.\n  - one\n  - two\nWhat to do: Do this.\n"
    assert said.out == ""
    output.use("json")
    output._report(error)
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["reasons"] == ["one", "two"]
    assert said.err == ""


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["status", "--output", "json"], True),
        (["status", "--output=json"], True),
        (["status"], False),
        (["lab", "exec", "node1", "--", "x", "--output", "json"], False),
    ],
)
def test_json_is_known_before_parsing(argv: list[str], expected: bool) -> None:
    assert output._wants_json(argv) is expected


def test_confirmation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert output.confirm("Go on?", yes=True)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="no terminal"):
        output.confirm("Go on?", yes=False)
    for answer, expected in (("ya\n", True), ("y\n", True), ("\n", False), ("", False), ("no\n", False)):
        terminal = io.StringIO(answer)
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", terminal)
        assert output.confirm("Go on?", yes=False) is expected
    assert "[y/N]" in capsys.readouterr().err
