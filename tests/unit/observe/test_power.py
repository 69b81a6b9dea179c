"""A BMC that cannot be asked: who is at fault; and the password stays off command lines."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import SecretStr

from lpse_ops.errors import InternalError, Refused
from lpse_ops.observe import power, switch
from lpse_ops.remote.fake import Call, FakeFleet
from lpse_ops.site import Site
from lpse_ops.site.model import NodeSettings

SECRET = "hunter2"
AGENT = {"method": "agent", "agent": "fence_outlet", "options": {"ip": "192.0.2.9", "plug": "7"}}
COMMAND = {"method": "command", "power_off": ["/outlet", "off"], "power_status": ["/outlet", "status"]}


def site(fence: dict[str, Any] | None = None, origin: str = "controller") -> Site:
    """A site with node1 switched by IPMI, or by `fence`; the secret is the same."""
    bmc = {"address": "198.51.100.21", "port": 623, "user": "lpse", "cipher_suite": 3}
    way = {"bmc": bmc} if fence is None else {"fence": fence}
    node = NodeSettings.model_validate({"memory_mb": 1024, **way})
    secret = {"node1": SecretStr(SECRET)}
    return cast(
        Site,
        SimpleNamespace(
            nodes={"node1": node},
            fencing=SimpleNamespace(origin=origin),
            repository=SimpleNamespace(name="repository"),
            secrets=SimpleNamespace(bmc_passwords=secret, fence_secrets=secret),
        ),
    )


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for ipmitool: `said` is what it prints, `code` its exit code; keeps its words."""
    program = tmp_path / "ipmitool"
    program.write_text(
        "#!/bin/sh\n"
        f'cd {tmp_path}; echo "$*" > words\n'
        'while [ "$1" != -f ]; do shift; done; readlink "$2" > target; cat "$2" > secret; echo "$2" > place\n'
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
    monkeypatch.setattr(switch, "_PLACES", str(board / "memory"))
    assert "ipmitool" in (power.reading(site(), "node1").error or "")


def test_no_file_system_ever_names_the_secret(board: Path) -> None:
    """A controller that is killed while the program runs leaves nothing behind."""
    (board / "said").write_text("Chassis Power is on\n")
    power.read_power(site(), "node1")
    assert (board / "place").read_text().startswith("/proc/self/fd/")
    assert (board / "target").read_text().startswith("/memfd:")


# Keeps its input; ends with the code in `code` after saying what is in `said`.
AGENT_PROGRAM = """\
#!/bin/sh
cd {folder}; echo "$*" >words; cat >input; cat said; exit $(cat code)
"""


@pytest.fixture
def outlet(board: Path) -> Path:
    """A stand-in for a fence agent and for a site's own command, beside the board's ipmitool."""
    for name in ("fence_outlet", "outlet"):
        (board / name).write_text(AGENT_PROGRAM.format(folder=board))
        (board / name).chmod(0o755)
    (board / "said").write_text("Status: something\n")
    return board


@pytest.mark.parametrize(("code", "state"), [(0, "on"), (2, "off")])
def test_an_agent_gets_everything_on_its_input(outlet: Path, code: int, state: str) -> None:
    (outlet / "code").write_text(str(code))
    assert power.read_power(site(AGENT), "node1") == state
    assert (outlet / "words").read_text() == "\n"
    assert (outlet / "input").read_text() == "ip=192.0.2.9\nplug=7\naction=status\npassword=hunter2\n"


def test_an_agent_cuts_the_power(outlet: Path) -> None:
    power.cut_power(site(AGENT | {"secret_option": "token"}), "node1")
    assert "action=off\ntoken=hunter2\n" in (outlet / "input").read_text()


@pytest.mark.parametrize(("code", "state"), [(0, "on"), (2, "off")])
def test_a_command_of_the_site(outlet: Path, code: int, state: str) -> None:
    (outlet / "code").write_text(str(code))
    words = [str(outlet / "outlet"), "status", "7"]
    assert power.read_power(site(COMMAND | {"power_status": words}), "node1") == state
    assert (outlet / "words").read_text() == "status 7\n"
    assert (outlet / "input").read_text() == SECRET + "\n"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Failed: Unable to login", "denied"),
        ("HTTP Error 401: Unauthorized", "denied"),
        ("Authentication failed", "denied"),
        ("Failed: Connection timed out", "unreachable"),
        ("curl: (7) Failed to connect: No route to host", "unreachable"),
        ("Failed: Unable to connect/login to fencing device", "denied"),
        ("Failed: no plug 7, and the secret is hunter2", "fault"),
    ],
)
def test_faults_of_an_agent_are_told_apart(outlet: Path, said: str, kind: str) -> None:
    (outlet / "said").write_text(said + "\n")
    (outlet / "code").write_text("1")
    read = power.reading(site(AGENT), "node1")
    assert (read.state, read.kind) == (None, kind)
    assert SECRET not in (read.error or "")
    with pytest.raises(power.PowerError):
        power.cut_power(site(AGENT), "node1")


def test_an_agent_that_never_ends_is_unreachable(outlet: Path) -> None:
    (outlet / "fence_outlet").write_text("#!/bin/sh\nexec sleep 60\n")
    assert power.reading(site(AGENT), "node1", deadline_s=0.2).kind == "unreachable"


def test_a_missing_agent_is_named(board: Path) -> None:
    read = power.reading(site(AGENT | {"agent": "fence_nowhere"}), "node1")
    assert (read.kind, "fence_nowhere" in (read.error or "")) == ("fault", True)


def test_where_only_a_person_can(board: Path) -> None:
    read = power.reading(site({"method": "attestation"}), "node1")
    assert (read.state, read.kind) == (None, "none")


def test_from_the_repository() -> None:
    calls: list[Call] = []

    def fence(call: Call) -> dict[str, Any]:
        calls.append(call)
        return {"code": 0, "said": f"Chassis Power is off;{SECRET};"}

    fleet = FakeFleet().script("repository", "fence", fence)
    there = site(origin="repository")
    assert power.read_power(there, "node1", remote=fleet) == "off"
    power.cut_power(there, "node1", remote=fleet, fencing=["--run", "r1", "--token", "4"])
    assert calls[0].argv[:3] == ("fence", "node1", "status")
    assert calls[1].argv[:7] == ("fence", "node1", "off", "--run", "r1", "--token", "4")
    settings, secret = calls[0].stdin.splitlines()
    assert secret == SECRET
    assert SECRET not in " ".join(calls[1].argv) + settings
    assert json.loads(settings) == {
        "bmc": {"address": "198.51.100.21", "cipher_suite": 3, "port": 623, "user": "lpse"}
    }


def test_a_repository_that_refuses_is_no_reading() -> None:
    fleet = FakeFleet().script("repository", "fence", Refused("no", reasons=["other settings"]))
    read = power.reading(site(origin="repository"), "node1", remote=fleet)
    assert (read.state, read.kind) == (None, "fault")
    assert "other settings" in (read.error or "")
    with pytest.raises(InternalError):
        power.read_power(site(origin="repository"), "node1")
