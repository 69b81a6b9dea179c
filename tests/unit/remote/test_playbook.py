"""What is made of ansible-runner's events: progress, readable failures, hosts that went dark."""

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lpse_ops.errors import VaultError
from lpse_ops.remote import playbook
from lpse_ops.remote.playbook import Event, password_file


def event(kind: str, task: str = "base : Install", host: str = "node1", **result: Any) -> dict[str, Any]:
    return {"event": kind, "event_data": {"task": task, "host": host, "res": result}}


def test_progress_names_tasks_and_changes() -> None:
    told: list[Event] = []
    listener = playbook._Listener(told.append)
    listener(event("playbook_on_task_start"))
    listener(event("runner_on_ok", changed=True))
    assert not listener(event("runner_on_ok", changed=False))
    assert [(e.kind, e.task, e.host) for e in told] == [
        ("task", "Install", ""),
        ("changed", "Install", "node1"),
        ("ok", "Install", "node1"),
    ]


def test_failure_of_a_command_shows_its_last_words() -> None:
    listener = playbook._Listener(None)
    listener(
        event(
            "runner_on_failed", msg="non-zero return code", rc=2, stderr="a\nb\nc\nd\nno space left on device"
        )
    )
    (failure,) = listener.failed
    assert failure.message.endswith("no space left on device")
    assert "code 2" in failure.message
    assert not failure.message.startswith("non-zero")


def test_failure_of_a_loop_shows_the_item() -> None:
    listener = playbook._Listener(None)
    listener(event("runner_item_on_failed", msg="Destination directory does not exist"))
    listener(event("runner_on_failed", msg="One or more items failed"))
    assert [f.message for f in listener.failed] == ["Destination directory does not exist"]


def test_long_messages_are_cut() -> None:
    listener = playbook._Listener(None)
    listener(event("runner_on_failed", msg="x" * 5000))
    assert len(listener.failed[0].message) == playbook.MESSAGE_LIMIT


def test_hidden_output_stays_hidden() -> None:
    listener = playbook._Listener(None)
    listener(event("runner_on_failed", censored="the output has been hidden"))
    assert listener.failed[0].message == "the output has been hidden"


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())


@pytest.mark.usefixtures("no_terminal")
def test_vault_password_is_the_named_one_then_the_labs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chosen(given: Path | None = None) -> Path:
        with password_file(tmp_path, given) as path:
            return path

    with pytest.raises(VaultError):
        chosen()
    (tmp_path / ".vault-password").write_text("secret")
    assert chosen() == tmp_path / ".vault-password"
    monkeypatch.setenv(playbook.PASSWORD_VARIABLE, str(tmp_path / "other"))
    assert chosen() == tmp_path / "other"
    assert chosen(tmp_path / "mine") == tmp_path / "mine"


def test_a_typed_password_opens_the_vault_and_has_no_name_on_any_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is killed here can leave nothing behind: there is no file to leave."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("getpass.getpass", lambda _question: "rahasia negara")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    (tmp_path / "password").write_text("rahasia negara")
    (tmp_path / "vault.yml").write_text("key: value\n")
    tool = [str(Path(sys.executable).parent / "ansible-vault")]
    with_file = [
        *tool,
        "encrypt",
        "--vault-password-file",
        str(tmp_path / "password"),
        str(tmp_path / "vault.yml"),
    ]
    subprocess.run(with_file, check=True, capture_output=True)
    with password_file(tmp_path, None) as path:
        with_typed = [*tool, "view", "--vault-password-file", str(path), str(tmp_path / "vault.yml")]
        shown = subprocess.run(with_typed, check=True, capture_output=True, text=True)
        assert str(path.readlink()).startswith("/memfd:")
    assert shown.stdout == "key: value\n"
    assert not path.exists()
