"""A BMC that cannot be asked: who is at fault; and the password stays off command lines."""

import os
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from lpse_ops.observe import power
from lpse_ops.site import Site


def site() -> Site:
    bmc = SimpleNamespace(address="198.51.100.21", port=623, user="lpse", cipher_suite=3)
    secret = SimpleNamespace(get_secret_value=lambda: "hunter2")
    return cast(
        Site,
        SimpleNamespace(
            nodes={"node1": SimpleNamespace(bmc=bmc)},
            secrets=SimpleNamespace(bmc_passwords={"node1": secret}),
        ),
    )


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for ipmitool: `said` is what it prints, `code` its exit code; keeps its words."""
    program = tmp_path / "ipmitool"
    program.write_text(
        "#!/bin/sh\n"
        f'cd {tmp_path}; echo "$*" > words\n'
        'while [ "$1" != -f ]; do shift; done; stat -c %a "$2" > mode; cat "$2" > secret; echo "$2" > place\n'
        "cat said; exit $(cat code)\n"
    )
    program.chmod(0o755)
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(memory))
    (tmp_path / "code").write_text("0")
    return tmp_path


@pytest.mark.parametrize("state", ["on", "off"])
def test_the_power_is_read_and_the_secret_kept(board: Path, state: str) -> None:
    (board / "said").write_text(f"Chassis Power is {state}\n")
    assert power.read_power(site(), "node1") == state
    words = (board / "words").read_text()
    assert "hunter2" not in words
    assert "-H 198.51.100.21 -p 623 -U lpse" in words
    assert (board / "mode").read_text().strip() == "600"
    assert (board / "secret").read_text() == "hunter2"
    assert list((board / "memory").iterdir()) == []


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Error: Unable to establish IPMI v2 / RMCP+ session", "unreachable"),
        ("Error in open session response message : no matching cipher suite", "denied"),
        ("> RAKP 2 HMAC is invalid\nError: Unable to establish IPMI v2 / RMCP+ session", "denied"),
        ("RAKP 2 message indicates an error : unauthorized name", "denied"),
        ("Set Chassis Power Control to Down/Off failed: Command not supported", "fault"),
        ("Chassis Power is undecided", "fault"),
    ],
)
def test_faults_are_told_apart(board: Path, said: str, kind: str) -> None:
    (board / "said").write_text(said)
    (board / "code").write_text("0" if "undecided" in said else "1")
    read = power.reading(site(), "node1")
    assert (read.state, read.kind) == (None, kind)
    assert read.error is not None
    assert "node1" in read.error
    assert list((board / "memory").iterdir()) == []


def test_a_board_that_never_answers_is_unreachable(board: Path) -> None:
    (board / "ipmitool").write_text("#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(power.PowerError) as caught:
        power.read_power(site(), "node1", deadline_s=0.2)
    assert caught.value.kind == "unreachable"
    assert caught.value.hint


def test_a_missing_program_is_named(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(board / "memory"))
    assert "ipmitool" in (power.reading(site(), "node1").error or "")


def test_the_secret_is_on_a_file_system_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with power._password_file("x") as path:
        assert path.is_relative_to("/dev/shm")  # noqa: S108
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()
