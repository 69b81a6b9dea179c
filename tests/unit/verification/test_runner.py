"""The runner: what it refuses, what it hears of its surroundings (nothing), and what it leaves (nothing)."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from lpse_ops.errors import UnreachableError, UsageError
from lpse_ops.verification import CONCERNS, verify
from lpse_ops.verification.connection import private_folder, write_ssh_config
from lpse_ops.verification.expected import Expected, Order
from lpse_ops.verification.gather import MODULES, PACKAGE, PROBE, _command

SUITE = PROBE.parent / "suite"


def test_unknown_host_and_concern_are_usage_errors(site: Any) -> None:
    with pytest.raises(UsageError, match="node9"):
        verify(site, ["node9"])
    with pytest.raises(UsageError, match="colour"):
        verify(site, only="colour")


def test_a_silent_host_ends_it_before_any_test(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --collect-only -k nothing\n")
    (tmp_path / "conftest.py").write_text("raise SystemExit('hostile')\n")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    before = set(Path(tempfile.gettempdir()).glob("lpse-verify-*"))
    with pytest.raises(UnreachableError) as error:
        verify(site, ["node1", "repository"])
    assert [reason.split(" ")[0] for reason in error.value.reasons] == ["node1", "repository"]
    assert set(Path(tempfile.gettempdir()).glob("lpse-verify-*")) <= before


def test_order_travels_whole_and_private(expected: Expected, tmp_path: Path) -> None:
    order = Order(expected, ["node1"], "config", only="clock", clock_shift_s={"node1": 2.5})
    order.dump(tmp_path / "order.json")
    assert Order.load(tmp_path / "order.json") == order
    assert (tmp_path / "order.json").stat().st_mode & 0o777 == 0o600


def test_ssh_is_strict(site: Any) -> None:
    with private_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        config = write_ssh_config(folder, site.hosts, Path("/site/known_hosts"), Path("/site/key"))
        shown = subprocess.run(
            ["ssh", "-G", "-F", str(config), "node1"], capture_output=True, text=True, check=True
        ).stdout
    for line in ("hostname 127.0.0.21", "stricthostkeychecking true", "userknownhostsfile /site/known_hosts"):
        assert line in shown
    assert "identityfile /site/key" in shown


def test_the_probe_runs_where_nothing_is_installed(expected: Expected) -> None:
    command = _command(Order(expected, ["repository"], "", only="ports"), "repository")
    assert len(command) < 100_000
    here = command.replace("sudo -n python3", f"{sys.executable} -I")
    answer = json.loads(subprocess.run(["sh", "-c", here], capture_output=True, text=True, check=True).stdout)
    assert set(answer) == {"guard", "sockets", "seconds"}


def test_every_module_of_the_probe_travels() -> None:
    assert {path.stem for path in PROBE.glob("*.py")} == {"__init__", *MODULES}
    assert PACKAGE == "lpse_ops.verification.probe"


def test_every_concern_has_tests_and_every_test_a_concern() -> None:
    assert {path.stem.split("_")[1] for path in SUITE.glob("test_*.py")} == set(CONCERNS)
    for path in SUITE.glob("test_*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 150, path
