"""What is made of ansible-runner's events: progress, readable failures, hosts that went dark."""

import io
from pathlib import Path
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
    with pytest.raises(VaultError):
        password_file(tmp_path, None, tmp_path)
    (tmp_path / ".vault-password").write_text("secret")
    assert password_file(tmp_path, None, tmp_path) == tmp_path / ".vault-password"
    monkeypatch.setenv(playbook.PASSWORD_VARIABLE, str(tmp_path / "other"))
    assert password_file(tmp_path, None, tmp_path) == tmp_path / "other"
    assert password_file(tmp_path, tmp_path / "mine", tmp_path) == tmp_path / "mine"
