"""What power.py finds out without a host: both kinds of cgroups, process lines, the words of ipmi_sim, its speed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lpse_ops.lab import host, power
from lpse_ops.lab.names import LabNames


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> power.HostFile:
    monkeypatch.setenv("LPSE_OPS_LAB_HOME", str(tmp_path))
    return host.describe(LabNames("unit"), "node1", Path("/cache/images/1"), Path("/cache/stores/1"))


def test_a_hybrid_machine_has_three_hierarchies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("systemd", "freezer", "unified", "memory"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(power, "CGROUP_ROOT", tmp_path)
    assert [p.name for p in power.hierarchies()] == ["freezer", "systemd", "unified"]
    files = power.join_files(power.group("x", "node1"))
    assert files[0] == str(tmp_path / "freezer/lpse-lab-x/node1/cgroup.procs")
    assert (tmp_path / "unified/lpse-lab-x/node1").is_dir()


def test_a_pure_machine_has_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgroup.controllers").touch()
    monkeypatch.setattr(power, "CGROUP_ROOT", tmp_path)
    assert power.hierarchies() == [tmp_path]


@pytest.mark.parametrize(
    ("file", "frozen", "text"), [("freezer.state", "FROZEN", "THAWED"), ("cgroup.freeze", "1", "0")]
)
def test_frozen_is_read_from_either_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, frozen: str, text: str
) -> None:
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / "g").mkdir()
    monkeypatch.setattr(power, "CGROUP_ROOT", tmp_path)
    assert not power.is_frozen("g")
    (tmp_path / "g" / file).write_text(frozen + "\n")
    assert power.is_frozen("g")
    (tmp_path / "g" / file).write_text(text + "\n")
    assert not power.is_frozen("g")


def test_a_wrapped_command_joins_before_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cgroup.controllers").touch()
    monkeypatch.setattr(power, "CGROUP_ROOT", tmp_path)
    done = subprocess.run(
        power.in_group("g", ["echo", "a b", "--"]), capture_output=True, text=True, check=True
    )
    assert done.stdout == "a b --\n"
    assert (tmp_path / "g/cgroup.procs").read_text() == "0\n"


def test_process_lines() -> None:
    assert power.status(os.getpid(), "Pid") == [str(os.getpid())]
    assert power.status(2**22 + 1, "Pid") == []


def test_off_without_a_process_and_unknown_words_are_refused(described: power.HostFile) -> None:
    script = [sys.executable, "-I", "-S", power.__file__, described.base]
    done = subprocess.run([*script, "0x20", "get", "power"], capture_output=True, text=True, check=True)
    assert done.stdout == "power:0\n"
    done = subprocess.run([*script, "get", "power"], capture_output=True, text=True, check=True)
    assert done.stdout == "power:0\n"
    done = subprocess.run(
        [*script, "0x20", "set", "boot", "pxe"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot set boot pxe" in done.stderr


def test_the_script_is_quick_and_stands_alone(described: power.HostFile) -> None:
    script = [sys.executable, "-I", "-S", power.__file__, described.base, "0x20", "get", "power"]
    empty = [sys.executable, "-I", "-S", "-c", "import json, subprocess, pathlib"]

    def best(argv: list[str]) -> float:
        times = []
        for _round in range(3):
            began = time.perf_counter()
            subprocess.run(argv, check=True, capture_output=True, cwd="/")
            times.append(time.perf_counter() - began)
        return min(times)

    # Against the interpreter's own start, so that a busy machine does not decide.
    assert best(script) < 3 * best(empty) + 0.05


def test_loops_are_found_by_their_file(tmp_path: Path) -> None:
    assert power.loops(tmp_path / "disk.img") == []
