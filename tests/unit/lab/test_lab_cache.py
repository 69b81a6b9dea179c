"""The cache: whole entries or none, one builder at a time, leftovers cleared."""

import threading
from pathlib import Path

import pytest

from lpse_ops.errors import LabError
from lpse_ops.lab import cache, tools
from lpse_ops.lab.locking import Taken, locked


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LPSE_OPS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(folder: Path, _group: str) -> None:
    (folder / "content").write_text("x")


def refuse(_folder: Path, _group: str) -> None:
    raise AssertionError("built twice")


def ignore(_message: str) -> None:
    return


def test_an_entry_is_built_once(home: Path) -> None:
    entry = cache.entry("things", {"a": 1}, 1, write, ignore)
    assert entry.parent == home / "things"
    assert (entry / "content").read_text() == "x"
    assert cache.entry("things", {"a": 1}, 1, refuse, ignore) == entry
    assert cache.entry("things", {"a": 2}, 1, write, ignore) != entry


def test_the_order_of_a_recipe_does_not_matter() -> None:
    assert cache.recipe_key({"a": 1, "b": 2}) == cache.recipe_key({"b": 2, "a": 1})


def test_a_failed_build_leaves_nothing(home: Path) -> None:
    def fail(folder: Path, group: str) -> None:
        write(folder, group)
        raise LabError("no")

    with pytest.raises(LabError, match="no"):
        cache.entry("things", {}, 1, fail, ignore)
    assert list((home / "things").iterdir()) == []


def test_what_a_killed_builder_left_is_cleared(home: Path) -> None:
    left = home / "things/.0123456789abcdef.building"
    left.mkdir(parents=True)
    (left / "half").write_text("")
    cache.clear_interrupted()
    assert list((home / "things").iterdir()) == []


def test_a_build_under_way_is_let_be_and_waited_for(home: Path) -> None:
    began, go_on = threading.Event(), threading.Event()
    heard: list[str] = []

    def slowly(folder: Path, group: str) -> None:
        began.set()
        go_on.wait(10)
        write(folder, group)

    def listen(message: str) -> None:
        heard.append(message)
        go_on.set()  # the second has seen that the first is building

    first = threading.Thread(target=cache.entry, args=("things", {}, 1, slowly, ignore))
    first.start()
    assert began.wait(10)
    cache.clear_interrupted()
    assert [p.suffix for p in (home / "things").glob("*.building")] == [".building"]
    entry = cache.entry("things", {}, 1, refuse, listen)
    first.join()
    assert (entry / "content").read_text() == "x"
    assert len(heard) == 1


def test_too_little_space_is_said_before_anything_is_built(home: Path) -> None:
    with pytest.raises(LabError, match="MB free") as caught:
        cache.entry("things", {}, 10**9, refuse, ignore)
    assert "LPSE_OPS_CACHE" in caught.value.hint
    assert not home.exists()


def test_a_taken_lock_names_its_holder_and_a_free_one_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path), pytest.raises(Taken), locked(path):
        pass
    assert not path.exists()


def test_no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LabError, match="root") as caught:
        tools.require_root()
    assert "sudo" in caught.value.hint


def test_missing_programs_are_named_with_their_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tools, "PATH", str(tmp_path))
    with pytest.raises(LabError, match="ipmi_sim") as caught:
        tools.require_tools()
    assert "apt-get install" in caught.value.hint
    assert "openipmi" in caught.value.hint
    assert set(tools.missing_tools()) == set(tools.TOOLS)


def test_a_failed_program_says_what_it_said() -> None:
    with pytest.raises(LabError, match="No such file"):
        tools.run(["ls", "/nonexistent"])
