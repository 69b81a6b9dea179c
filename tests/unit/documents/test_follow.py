"""Documents follow: new and changed ones arrive whole, none is deleted, nothing outside the tree is touched."""

import contextlib
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lpse_documents_server import Tree
from lpse_follow import Board, Follower
from lpse_link import Link, LinkError, good_name
from lpse_puller import PART, Puller

from tests.support.documents import Pair


def write(path: Path, content: bytes, age_s: float = 0.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if age_s:
        os.utime(path, (time.time() - age_s, time.time() - age_s))
    return path


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_folder_that_is_given_its_mode_later_is_opened_later(pair: Pair) -> None:
    write(pair.there / "2026" / "a.rhs", b"a")
    (pair.there / "2026").chmod(0o700)
    pair.pass_()
    assert stat.S_IMODE((pair.here / "2026").stat().st_mode) == 0o700
    (pair.there / "2026").chmod(0o750)
    pair.pass_()
    assert stat.S_IMODE((pair.here / "2026").stat().st_mode) == 0o750


def test_everything_arrives_with_mode_and_time(pair: Pair) -> None:
    write(pair.there / "2026" / "11" / "a.rhs", b"alpha").chmod(0o640)
    write(pair.there / "b.rhs", b"", age_s=500)
    write(pair.there / "einkauf ü.rhs", b"x" * 100_000)
    pair.pass_()
    assert tree(pair.here) == tree(pair.there)
    for name in tree(pair.there):
        ours, theirs = (pair.here / name).stat(), (pair.there / name).stat()
        assert (ours.st_mtime_ns, ours.st_mode) == (theirs.st_mtime_ns, theirs.st_mode)
    assert pair.puller.summary["count"] == 3
    assert pair.puller.behind == 0


def test_names_that_are_no_utf8_arrive(pair: Pair) -> None:
    name = os.fsdecode(b"\xff\xfe.rhs")
    write(pair.there / name, b"odd")
    pair.pass_()
    assert (pair.here / name).read_bytes() == b"odd"


def test_news_are_found_pass_after_pass(pair: Pair) -> None:
    pair.pass_()
    for number in range(30):
        write(pair.there / f"{number % 3}" / f"{number}.rhs", b"%d" % number)
        pair.pass_()
        assert len(tree(pair.here)) == number + 1


def test_a_file_made_in_the_same_tick_of_the_clock_as_the_last_look_is_found(pair: Pair) -> None:
    stamp = time.time_ns()
    write(pair.there / "first", b"1")
    os.utime(pair.there, ns=(stamp, stamp))
    pair.pass_()
    write(pair.there / "second", b"2")
    os.utime(pair.there, ns=(stamp, stamp))
    pair.pass_()
    assert "second" in tree(pair.here)


def test_an_upload_that_goes_on_is_taken_again(pair: Pair) -> None:
    path = write(pair.there / "a.rhs", b"half")
    pair.pass_()
    with path.open("ab") as file:
        file.write(b" and half")
    pair.pass_()
    assert tree(pair.here) == {"a.rhs": b"half and half"}
    assert not list(pair.here.glob(".lpse-*"))  # our own half copy is no one's past


def test_nothing_is_ever_deleted(pair: Pair) -> None:
    path = write(pair.there / "a" / "a.rhs", b"keep me")
    pair.pass_()
    path.unlink()
    path.parent.rmdir()
    pair.pass_()
    pair.pass_(full=True)
    assert tree(pair.here) == {"a/a.rhs": b"keep me"}


def test_an_empty_or_missing_tree_on_the_active_node_takes_nothing_away(pair: Pair, tmp_path: Path) -> None:
    write(pair.here / "a.rhs", b"keep me")
    pair.pass_()
    pair.there.rmdir()
    with pytest.raises(LinkError, match="FileNotFoundError"):
        pair.pass_()
    assert tree(pair.here) == {"a.rhs": b"keep me"}


def test_another_version_of_this_node_is_moved_aside(pair: Pair) -> None:
    write(pair.here / "d" / "a.rhs", b"mine, from when I was active")
    write(pair.there / "d" / "a.rhs", b"theirs")
    pair.pass_()
    assert (pair.here / "d" / "a.rhs").read_bytes() == b"theirs"
    (aside,) = (pair.here / ".lpse-superseded").rglob("*a.rhs")
    assert aside.read_bytes() == b"mine, from when I was active"


def test_large_files_come_in_parts(pair: Pair) -> None:
    content = os.urandom(3 * PART + 17)
    write(pair.there / "large.rhs", content)
    write(pair.there / "small.rhs", b"s")
    pair.pass_()
    assert tree(pair.here) == {"large.rhs": content, "small.rhs": b"s"}


def test_a_sample_waits_for_one_part_and_swallows_no_news(pair: Pair) -> None:
    for number in range(200):
        write(pair.there / f"{number}.rhs", os.urandom(50_000))
    counts: list[int] = []

    def sample() -> None:
        for _ in range(20):
            with pair.link.turn() as link:
                link.send({"op": "stat", "keep": True})
                counts.append(link.line()["count"])

    thread = threading.Thread(target=sample)
    thread.start()
    pair.pass_()
    thread.join()
    pair.pass_()
    assert len(tree(pair.here)) == 200
    assert counts[-1] == 200


def test_the_full_reconcile_finds_what_changed_silently(pair: Pair) -> None:
    path = write(pair.there / "a.rhs", b"before", age_s=5000)
    pair.pass_()
    write(path, b"after!", age_s=4000)
    pair.pass_()
    assert tree(pair.here) == {"a.rhs": b"before"}
    pair.pass_(full=True)
    assert tree(pair.here) == {"a.rhs": b"after!"}


def test_links_devices_and_hidden_names_are_not_served(pair: Pair) -> None:
    write(pair.there / "real.rhs", b"real")
    (pair.there / "link.rhs").symlink_to("/etc/passwd")
    (pair.there / "folder").symlink_to("/etc")
    os.mkfifo(pair.there / "fifo.rhs")
    write(pair.there / ".lpse-part-1", b"half")
    write(pair.there / ".upload" / ".unfinished", b"half")
    pair.pass_()
    assert tree(pair.here) == {"real.rhs": b"real"}


def test_a_link_planted_here_is_not_followed(pair: Pair, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (pair.here / "d").symlink_to(outside)
    write(pair.there / "d" / "a.rhs", b"x")
    with pytest.raises(OSError, match="d"):
        pair.pass_()
    assert not list(outside.iterdir())


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../a", "a/../../b", "a//b", ".", "a/.lpse-x", "a\0b", ".lpse-part-1"]
)
def test_names_outside_the_tree_are_refused_by_both_sides(pair: Pair, name: str) -> None:
    assert not good_name(name)
    with pytest.raises(LinkError, match="outside the tree"):
        get(pair.link, name)


def get(link: Link, name: str) -> None:
    with link.turn() as mine:
        mine.send({"op": "get", "n": name, "len": 10})
        mine.line()


def test_a_server_that_names_something_outside_is_not_believed(tmp_path: Path) -> None:
    script = 'read -r _; echo \'{"n":"../../evil","s":1,"t":1,"m":420}\'; echo \'{"end":true}\''
    link = Link(["/bin/sh", "-c", script])
    with pytest.raises(LinkError, match="outside the tree"):
        Puller(link, str(tmp_path)).learn()


def test_a_lost_session_is_opened_again(pair: Pair) -> None:
    write(pair.there / "a.rhs", b"a")
    pair.pass_()
    process = pair.link._process
    assert process is not None
    process.kill()
    process.wait()
    write(pair.there / "b.rhs", b"b")
    with pytest.raises(LinkError):
        pair.pass_()
    pair.pass_()
    assert len(tree(pair.here)) == 2


def test_an_answer_that_does_not_come_is_an_error(tmp_path: Path) -> None:
    link = Link(["/bin/sleep", "60"], deadline_s=0.2)
    with pytest.raises(LinkError, match="no answer in time"):
        get(link, "a.rhs")


def test_a_half_written_copy_is_swept_away(pair: Pair) -> None:
    write(pair.here / "d" / ".lpse-part-77-abc", b"half")
    pair.puller.sweep()
    assert not tree(pair.here)


def test_an_unreadable_folder_does_not_keep_the_rest(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    write(pair.there / "bad" / "x.rhs", b"x")
    write(pair.there / "good" / "y.rhs", b"y")
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("/bad"):
            raise OSError(5, "Input/output error")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    entries = list(Tree(str(pair.there)).news())
    assert {"bad": "bad", "why": "Input/output error"} in entries
    assert any(entry.get("n") == "good/y.rhs" for entry in entries)


class ScriptedLink:
    """Answers with lines laid out beforehand, as a server whose files get their mode late would."""

    session = 1

    def __init__(self, *lines: dict[str, object]) -> None:
        self.lines = list(lines)

    @contextlib.contextmanager
    def turn(self) -> Iterator["ScriptedLink"]:
        yield self

    def send(self, *_requests: object) -> None:
        """What is asked does not matter here."""

    def line(self, _deadline_s: float = 0.0) -> dict[str, object]:
        return self.lines.pop(0)

    def copy(self, size: int, put: Callable[[memoryview], object]) -> None:
        put(memoryview(b"x" * size))


def test_what_was_not_permitted_only_for_a_moment_is_not_held_against_the_tree(tmp_path: Path) -> None:
    """As a loader does it that copies first and gives owner and mode afterwards."""
    known: dict[str, object] = {"n": "y.rhs", "s": 1, "t": 5, "m": 0o640}
    end: dict[str, object] = {"end": True}
    link = ScriptedLink(
        {"bad": "2026", "why": "Permission denied"},
        known,
        end,
        {"bad": "y.rhs", "why": "Permission denied", "soon": True},
        end,
        {"s": 1, "t": 5, "m": 0o640, "len": 1},
    )
    puller = Puller(link, str(tmp_path))  # type: ignore[arg-type]
    puller.learn()
    assert puller.unreadable == {"2026": "Permission denied"}
    puller.fetch()
    assert (set(puller.unreadable), puller.behind) == ({"2026", "y.rhs"}, 2)
    puller.learn()
    assert puller.unreadable == {}
    puller.fetch()
    assert (puller.behind, (tmp_path / "y.rhs").read_bytes()) == (0, b"x")


class FakeConfirmer:
    """Records in which order places were read and confirmed."""

    def __init__(self) -> None:
        self.place = 0
        self.confirmed: list[int] = []
        self.error: str | None = None

    @property
    def received(self) -> tuple[int, int]:
        return 1, self.place

    def safe(self, mark: tuple[int, int]) -> None:
        self.confirmed.append(mark[1])


def test_a_pass_confirms_only_what_was_received_before_it_began(pair: Pair, tmp_path: Path) -> None:
    write(pair.there / "a.rhs", b"a")
    board = tmp_path / "documents.json"
    board.touch()
    confirmer = FakeConfirmer()
    follower = Follower(pair.puller, Board(str(board)), confirmer)  # type: ignore[arg-type]
    confirmer.place = 100
    learn = pair.puller.learn

    def learn_while_more_comes(full: bool = False) -> None:
        learn(full=full)
        confirmer.place = 200

    pair.puller.learn = learn_while_more_comes  # type: ignore[method-assign]
    follower.one_pass()
    assert confirmer.confirmed == [100]
    assert tree(pair.here) == {"a.rhs": b"a"}
    pair.there.rename(tmp_path / "gone")
    with pytest.raises(LinkError):
        follower.one_pass()
    assert confirmer.confirmed == [100]


def test_the_board_is_one_line_of_one_size(pair: Pair, tmp_path: Path) -> None:
    write(pair.there / "a.rhs", b"a")
    path = tmp_path / "documents.json"
    path.touch()
    follower = Follower(pair.puller, Board(str(path)))
    follower.one_pass()
    shown = path.read_text()
    assert shown.endswith("}\n")
    state = json.loads(shown)
    assert (state["state"], state["files"], state["behind"], state["lag_s"]) == ("following", 1, 0, 0.0)
    assert state["newest"]["name"] == "a.rhs"
    follower.show("waiting", "x" * 5000)
    assert path.stat().st_size == len(shown)
    assert json.loads(path.read_text())["state"] == "waiting"


def test_a_follower_that_never_hears_the_active_node_says_what_is_here(pair: Pair, tmp_path: Path) -> None:
    write(pair.here / "d" / "a.rhs", b"a")
    write(pair.here / ".lpse-superseded" / "x" / "b.rhs", b"b")
    pair.there.rmdir()
    pair.puller.sweep()
    assert pair.puller.files == 1
    with pytest.raises(LinkError):
        pair.pass_()
    assert pair.puller.files == 1
