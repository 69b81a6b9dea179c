"""The module that places files: whole or not at all, judged first, idempotent, quiet in check mode."""

import grp
import importlib.util
import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.support.modules import ROOT

Place = Callable[..., dict[str, Any]]
OWNER, GROUP = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name


@pytest.fixture
def place(capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A function that runs the module as Ansible does and returns its result."""
    spec = importlib.util.spec_from_file_location("lpse_files", ROOT / "playbooks/library/lpse_files.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    scratch = str(tmp_path_factory.mktemp("remote"))

    def run(*files: dict[str, Any], check: bool = False, diff: bool = False) -> dict[str, Any]:
        arguments = {
            "owner": OWNER,
            "group": GROUP,
            "files": list(files),
            "_ansible_check_mode": check,
            "_ansible_diff": diff,
            "_ansible_remote_tmp": scratch,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o7777:o}"


def test_folders_and_files_are_made_once(place: Place, tmp_path: Path) -> None:
    folder, file = tmp_path / "etc", tmp_path / "etc/a.conf"
    wanted = (
        {"path": str(folder), "state": "directory", "mode": "0750"},
        {"path": str(file), "content": "a = é\n", "mode": "0640"},
    )
    made = place(*wanted)
    assert (made["changed"], made["paths"]) == (True, [str(folder), str(file)])
    assert (file.read_text(), mode(file), mode(folder)) == ("a = é\n", "640", "750")
    again = place(*wanted)
    assert (again["changed"], again["paths"]) == (False, [])
    assert [path.name for path in folder.iterdir()] == ["a.conf"]


def test_only_what_differs_is_changed(place: Place, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    place({"path": str(one), "content": "1\n"}, {"path": str(two), "content": "2\n"})
    kept = one.stat().st_mtime_ns
    two.chmod(0o666)
    assert place({"path": str(one), "content": "1\n"}, {"path": str(two), "content": "2\n"})["paths"] == [
        str(two)
    ]
    assert mode(two) == "644"
    two.write_text("other")
    assert place({"path": str(one), "content": "1\n"}, {"path": str(two), "content": "2\n"})["paths"] == [
        str(two)
    ]
    assert (two.read_text(), one.stat().st_mtime_ns) == ("2\n", kept)


def test_content_that_is_not_valid_changes_nothing(place: Place, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("old\n")
    result = place(
        {"path": str(first), "content": "new\n"},
        {"path": str(second), "content": "if\n", "validate": "/bin/sh -n %s"},
    )
    assert result["failed"]
    assert str(second) in result["msg"]
    assert "nothing was changed" in result["msg"]
    assert (first.read_text(), second.exists()) == ("old\n", False)


def test_the_judge_may_take_the_file_inside_a_word(place: Place, tmp_path: Path) -> None:
    judged = {"path": str(tmp_path / "x"), "content": "y\n", "validate": "/bin/sh -c 'grep -q y %s'"}
    assert place(judged)["changed"]
    assert "has no %s" in place(judged | {"content": "z\n", "validate": "/bin/true"})["msg"]


def test_check_mode_says_and_does_nothing(place: Place, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("old\n")
    result = place(
        {"path": str(tmp_path / "new"), "state": "directory"},
        {"path": str(tmp_path / "new/file"), "content": "x", "validate": "/bin/false %s"},
        {"path": str(there), "content": "new\n"},
        check=True,
        diff=True,
    )
    assert len(result["paths"]) == 3
    assert {
        "before": "old\n",
        "after": "new\n",
        "before_header": str(there),
        "after_header": str(there),
    } in result["diff"]
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert there.read_text() == "old\n"


def test_a_file_that_is_kept_gets_its_mode_alone(place: Place, tmp_path: Path) -> None:
    log = tmp_path / "log"
    kept = {"path": str(log), "content": "", "force": False, "mode": "0640"}
    assert place(kept)["changed"]
    log.write_text("lines\n")
    assert not place(kept)["changed"]
    log.chmod(0o600)
    assert place(kept)["changed"]
    assert (log.read_text(), mode(log)) == ("lines\n", "640")


def test_a_folder_behind_a_link_is_that_folder(place: Place, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir(0o700)
    link.symlink_to(real)
    wanted = {"path": str(link), "state": "directory"}
    assert place(wanted)["changed"]
    assert (link.is_symlink(), mode(real)) == (True, "755")
    assert not place(wanted)["changed"]


def test_missing_folders_above_are_made_for_all_to_pass(place: Place, tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        assert place({"path": str(tmp_path / "a/b/c"), "state": "directory", "mode": "0750"})["changed"]
    finally:
        os.umask(old)
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == ["755", "755", "750"]


def test_what_an_interrupted_run_left_is_replaced(place: Place, tmp_path: Path) -> None:
    left = tmp_path / ".secret.lpse-new"
    left.write_text("half")
    left.chmod(0o644)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.hardlink_to(left)
    assert place({"path": str(tmp_path / "secret"), "content": "all\n", "mode": "0600"})["changed"]
    assert (mode(tmp_path / "secret"), elsewhere.read_text(), left.exists()) == ("600", "half", False)


def test_a_path_named_twice_is_refused(place: Place, tmp_path: Path) -> None:
    one = {"path": str(tmp_path / "x"), "content": "1"}
    assert "named twice" in place(one, one | {"content": "2"})["msg"]
    assert not (tmp_path / "x").exists()


def test_a_link_is_replaced_and_its_target_left_alone(place: Place, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("same\n")
    link.symlink_to(target)
    assert place({"path": str(link), "content": "same\n", "mode": "0600"})["changed"]
    assert (link.is_symlink(), link.read_text(), target.read_text()) == (False, "same\n", "same\n")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"path": "relative", "content": "x"}, "not an absolute path"),
        ({"path": "{}/absent/file", "content": "x"}, "folder is not there"),
        ({"path": "{}/folder", "content": "x"}, "is a folder"),
        ({"path": "{}/file", "state": "directory"}, "should be a folder"),
        ({"path": "{}/none"}, "content"),
        ({"path": "{}/who", "content": "x", "owner": "nobody-has-this-name"}, "nobody-has-this-name"),
    ],
)
def test_what_cannot_be_is_one_clear_message(
    place: Place, tmp_path: Path, entry: dict[str, Any], words: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    result = place(entry | {"path": entry["path"].format(tmp_path)})
    assert result["failed"]
    assert words in result["msg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "kept"


def test_a_full_disk_is_named_with_the_file(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    old = tmp_path / "old"
    old.write_text("old\n")
    monkeypatch.setattr(os, "fsync", full)
    result = place({"path": str(old), "content": "new\n"})
    assert result["msg"] == f"{old}: No space left on device"
    assert (old.read_text(), [path.name for path in tmp_path.iterdir()]) == ("old\n", ["old"])
