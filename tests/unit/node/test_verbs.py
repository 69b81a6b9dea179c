"""Token, lock, journal, answers and the guard's locks, under a temporary root."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lpse_ops import __version__
from lpse_ops.waiting import scaled, wait_until
from tests.unit.node.conftest import FILES, Helper, make_record


def line_of(process: "subprocess.Popen[str]") -> Any:
    """Return the next line of JSON a running verb prints."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def end(process: "subprocess.Popen[str]") -> int:
    """Close the input of a running verb, as a dropped connection does, and return its exit code."""
    process.communicate(timeout=scaled(30))
    return process.returncode


def test_version_is_the_packages(node: Helper) -> None:
    assert node("version").json == {"version": __version__}
    defaults = (FILES.parent / "defaults" / "main.yml").read_text()
    assert f'node_version: "{__version__}"' in defaults


def test_a_copy_needs_a_root_of_its_own() -> None:
    done = subprocess.run(
        [str(FILES / "lpse-node"), "version"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert done.returncode != 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        [],
        ["epoch"],
        ["epoch", "show", "--run"],
        ["epoch", "init"],
        ["epoch", "init", "--active", "node1; reboot"],
        ["epoch", "write", "--run", "../../etc", "--token", "1"],
        ["epoch", "write", "--run", "r1", "--token", "01"],
        ["epoch", "write", "--run", "r1", "--token", "1e9"],
        ["epoch", "write", "--run", "r1", "--token", "9999999999999999"],
        ["claim-address"],
        ["claim-address", "--run", "r1"],
        ["claim-address", "--run", "r1", "--token", "1", "--force", "yes"],
        ["application", "restart"],
        ["lock", "--run", "r1"],
        ["lock", "--run", "r1", "--holder", "a\nb"],
        ["journal-append"],
        ["release"],
        ["release", "--reason", "short"],
        ["silent", "198.51.100.10;reboot"],
        ["silent", "198.51.100.300"],
        ["silent", "198.51.100.10", "--for", "0"],
        ["guard", "require", "everything"],
        ["observe", "--fast"],
    ],
)
def test_bad_arguments_are_a_usage_error(node: Helper, arguments: list[str]) -> None:
    answer = node(*arguments)
    assert answer.code == 2, answer.text
    assert list(answer.json) == ["error"]


def test_a_token_never_goes_back(node: Helper) -> None:
    record = json.dumps(make_record(1)) + "\n"
    assert node("epoch", "write", "--run", "r5", "--token", "5", stdin=record).code == 0
    assert node("observe").json["token"] == 5
    refused = node("claim-address", "--run", "r4", "--token", "4")
    assert refused.code == 3
    assert "another run has taken over" in refused.json["reasons"][0]
    assert "belongs to run r5" in node("claim-address", "--run", "r6", "--token", "5").json["reasons"][0]
    assert node("release-address", "--run", "r5", "--token", "5").code == 0


def test_an_unreadable_token_refuses_every_change(node: Helper) -> None:
    for text in ("", "x", "3", "-1 r1", "3 ../r"):
        (node.var / "token").write_text(text)
        assert (
            "cannot be read" in node("release-address", "--run", "r1", "--token", "9").json["reasons"][0]
        ), text
        assert node("observe").json["token"] is None


def test_a_newer_run_waits_for_a_command_at_work(node: Helper) -> None:
    gate = node.root / "gate"
    node.program("ip", f'#!/bin/sh\n[ -e "{gate}" ] || echo held\n')
    node.program("systemctl", "#!/bin/sh\nexit 0\n")
    node("epoch", "init", "--active", "node1")
    fifo = node.root / "hold"
    os.mkfifo(fifo)
    node.program("systemd-run", f'#!/bin/sh\ncat "{fifo}" >/dev/null\n')
    old = node.popen("claim-address", "--run", "r1", "--token", "1")
    assert wait_until((node.var / "token").exists, 10)
    new = node.popen("release-address", "--run", "r2", "--token", "2")
    # The newer one cannot record its token while the older one acts.
    assert not wait_until(lambda: new.poll() is not None, 0.5)
    assert (node.var / "token").read_text() == "1 r1\n"
    gate.touch()
    fifo.write_text("go on\n")
    assert end(old) == 0
    assert end(new) == 0
    assert (node.var / "token").read_text() == "2 r2\n"


def test_the_lock_is_held_until_the_input_ends(node: Helper) -> None:
    first = node.popen("lock", "--run", "r1", "--holder", 'Sari, workstation "A"')
    assert line_of(first) == {"token": 1}
    assert (node.var / "token").read_text() == "1 r1\n"
    taken = node("lock", "--run", "r2", "--holder", "Budi")
    assert taken.code == 6
    assert taken.json["holder"] == 'Sari, workstation "A"'
    assert taken.json["run"] == "r1"
    assert taken.json["since"] > 0
    assert end(first) == 0
    again = node.popen("lock", "--run", "r2", "--holder", "Budi", "--above", "40")
    assert line_of(again) == {"token": 41}
    assert end(again) == 0


def test_a_killed_holder_frees_the_lock(node: Helper) -> None:
    first = node.popen("lock", "--run", "r1", "--holder", "Sari")
    line_of(first)
    first.kill()
    first.communicate()
    again = node.popen("lock", "--run", "r2", "--holder", "Budi")
    assert line_of(again) == {"token": 2}
    end(again)


def test_a_lock_is_taken_with_a_reason_and_the_old_run_can_do_nothing_more(node: Helper) -> None:
    node.program("ip", "#!/bin/sh\nexit 0\n")
    first = node.popen("lock", "--run", "r1", "--holder", "Sari")
    assert line_of(first) == {"token": 1}
    assert node("release-address", "--run", "r1", "--token", "1").code == 0
    assert node("lock", "--run", "r2", "--holder", "Budi", "--reason", "short").code == 2

    second = node.popen("lock", "--run", "r2", "--holder", "Budi", "--reason", "Sari's laptop was stolen")
    taken = line_of(second)
    assert (taken["token"], taken["taken"]["run"], taken["taken"]["holder"]) == (2, "r1", "Sari")
    assert first.wait(timeout=scaled(20)) != 0
    late = node("release-address", "--run", "r1", "--token", "1")
    assert late.code == 3
    assert "another run has taken over" in late.text
    kept = json.loads((node.var / "locks-taken.jsonl").read_text())
    assert (kept["run"], kept["reason"], kept["from"]["run"]) == ("r2", "Sari's laptop was stolen", "r1")
    third = node("lock", "--run", "r3", "--holder", "Ani")
    assert (third.code, third.json["run"]) == (6, "r2")
    assert end(second) == 0


def test_a_holder_without_a_name_is_told_as_one(node: Helper) -> None:
    first = node.popen("lock", "--run", "r1", "--holder", "Sari")
    line_of(first)
    (node.run_folder / "lock.json").unlink()
    taken = node("lock", "--run", "r2", "--holder", "Budi")
    assert (taken.code, taken.json) == (6, {"holder": None, "run": None, "since": None})
    assert end(first) == 0


def test_only_the_holder_of_the_lock_is_ended(node: Helper) -> None:
    """A number in a file may by now be another process's."""
    bystander = node.popen("journal-append", "--run", "r9")
    first = node.popen("lock", "--run", "r1", "--holder", "Sari")
    line_of(first)
    (node.run_folder / "lock.pid").write_text(f"{bystander.pid}\n")
    node.program("flock", '#!/bin/sh\n[ "$1" != -w ] || [ "$3" != 7 ] || exit 1\nexec /usr/bin/flock "$@"\n')
    answer = node("lock", "--run", "r2", "--holder", "Budi", "--reason", "nobody knows who holds it")
    assert answer.code == 4
    assert "not let go" in answer.json["error"]
    assert bystander.poll() is None
    assert first.poll() is None


def test_a_journal_is_shown_as_it_was_received(node: Helper) -> None:
    assert node("journal-show").json == {"runs": []}
    line = json.dumps({"seq": 1, "text": 'a "b" \\ \t ü'}, ensure_ascii=False)
    node("journal-append", "--run", "r1", stdin=line + "\n")
    with (node.var / "journal" / "r1.jsonl").open("ab") as stream:
        stream.write(b'{"seq":2,"te\xff\n')
    node("journal-append", "--run", "r2", stdin='{"seq":1}\n')
    assert node("journal-show").json == {"runs": ["r1", "r2"]}
    assert node("journal-show", "--run", "r1").json == {"run": "r1", "lines": [line, '{"seq":2,"te']}
    assert node("journal-show", "--run", "r3").code == 3


def test_the_journal_is_answered_line_by_line(node: Helper) -> None:
    channel = node.popen("journal-append", "--run", "r1")
    assert channel.stdin is not None
    for number in (1, 2, 3):
        channel.stdin.write(json.dumps({"event": number, "text": 'a "b" \\ c'}) + "\n")
        channel.stdin.flush()
        assert line_of(channel) == {"seq": number}
    assert end(channel) == 0
    file = node.var / "journal" / "r1.jsonl"
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == [1, 2, 3]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_torn_line_stays_apart_and_a_cut_one_is_not_taken(node: Helper) -> None:
    node("journal-append", "--run", "r1", stdin='{"event":1}\n')
    file = node.var / "journal" / "r1.jsonl"
    with file.open("a") as stream:
        stream.write('{"event":2,"te')
    answer = node("journal-append", "--run", "r1", stdin='{"event":3}\n{"event":4')
    assert answer.lines == [{"seq": 3}]
    assert file.read_text().splitlines() == ['{"event":1}', '{"event":2,"te', '{"event":3}']


def test_a_resume_that_sends_all_again_writes_nothing_twice(node: Helper) -> None:
    node("journal-append", "--run", "r1", stdin='{"event":1}\n{"event":2}\n')
    answer = node("journal-append", "--run", "r1", stdin='{"event":1}\n{"event":2}\n{"event":3}\n')
    assert [line["seq"] for line in answer.lines] == [2, 2, 3]
    file = node.var / "journal" / "r1.jsonl"
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == [1, 2, 3]


def test_a_line_that_is_no_object_is_refused(node: Helper) -> None:
    assert node("journal-append", "--run", "r1", stdin="rm -rf\n").code == 2


def test_a_full_disk_is_said_and_not_acknowledged(node: Helper) -> None:
    (node.var / "journal").mkdir(parents=True)
    (node.var / "journal" / "r1.jsonl").symlink_to("/dev/full")
    answer = node("journal-append", "--run", "r1", stdin='{"event":1}\n')
    assert answer.code == 4
    assert "disk full" in answer.json["error"]


def test_what_cannot_be_flushed_is_not_acknowledged(node: Helper) -> None:
    node.program("sync", f'#!/bin/sh\n[ "$1" != "{node.var}/journal/r1.jsonl" ]\n')
    answer = node("journal-append", "--run", "r1", stdin='{"event":1}\n')
    assert answer.code == 4
    assert answer.lines == [{"error": "the journal cannot be written: is the disk full?"}]


def test_samples_survive_what_a_power_cut_left(node: Helper) -> None:
    lines = [
        json.dumps({"time": number, "ok": True, "documents": {"count": 1, "newest": None}})
        for number in range(40)
    ]
    lines[20] = '{"time":20,"ok":tr'
    lines[21] = "\0" * 30
    lines[22] = '{"time":22}{"time":22}'
    (node.var / "samples.jsonl").write_text("\n".join(lines) + '\n{"time":')
    samples = node("observe").json["samples"]
    assert [sample["time"] for sample in samples] == [
        number for number in range(7, 40) if number not in (20, 21, 22)
    ]


def test_good_samples_are_shown_however_long_the_silence_after_them(node: Helper) -> None:
    good = [json.dumps({"time": number, "ok": True}) for number in range(3)]
    bad = [json.dumps({"time": number, "ok": False}) for number in range(3, 900)]
    (node.var / "samples.jsonl").write_text("\n".join(good + bad) + "\n")
    samples = node("observe").json["samples"]
    assert [sample["time"] for sample in samples] == list(range(8))


def test_observe_has_every_key_when_nothing_runs(node: Helper) -> None:
    seen = node("observe").json
    assert set(seen) == {
        *(
            "version",
            "node",
            "site",
            "time",
            "boot_id",
            "uptime_s",
            "zone",
            "disk",
            "clock",
            "record",
            "token",
            "guard",
            "unprotected",
        ),
        *("database", "application", "documents", "address", "proxy", "samples"),
    }
    assert seen["guard"]["state"] == "none"
    assert seen["guard"]["open"] is False


def test_nothing_may_start_before_the_guard_has_decided(node: Helper) -> None:
    node("epoch", "init", "--active", "node1")
    for part in ("database", "application", "follower"):
        refused = node("guard", "require", part)
        assert refused.code == 1
        assert "has not decided" in refused.json["reasons"][0]


def open_as(node: Helper, state: str, active: str, *, signal: bool) -> None:
    """Put a node into the state that the guard leaves behind."""
    node("epoch", "init", "--active", active)
    node.run_folder.mkdir(exist_ok=True)
    (node.run_folder / "open.conf").write_text("#\n")
    (node.run_folder / "guard.json").write_text(
        json.dumps({"state": state, "open": True, "reason": "as decided"}) + "\n"
    )
    if signal:
        (node.root / "var/lib/postgresql/15/main/standby.signal").touch()


@pytest.mark.parametrize(
    ("state", "active", "signal", "may"),
    [
        ("active", "node1", False, {"database", "application"}),
        ("released", "node1", False, {"database", "application"}),
        ("standby", "node2", True, {"database", "follower"}),
        # its record was written, its promotion runs: the application starts beside it
        ("standby", "node1", True, {"database", "application"}),
        # somebody removed standby.signal: it would open for writes
        ("standby", "node2", False, {"follower"}),
        # the record has moved on since the guard decided
        ("active", "node2", False, set()),
        ("holding", "node1", False, set()),
        ("superseded", "node1", False, set()),
    ],
)
def test_what_may_start(node: Helper, state: str, active: str, signal: bool, may: set[str]) -> None:
    open_as(node, state, active, signal=signal)
    allowed = {
        part for part in ("database", "application", "follower") if node("guard", "require", part).code == 0
    }
    assert allowed == may


def test_a_superseded_node_says_so_everywhere(node: Helper) -> None:
    node("epoch", "write", "--run", "r1", "--token", "1", stdin=json.dumps(make_record(2)) + "\n")
    node.peer("198.51.100.30", make_record(3, "node2"))
    (node.root / "run/lpse").mkdir(exist_ok=True)
    (node.root / "run/lpse/open.conf").write_text("left over\n")
    decided = node("guard", "run")
    assert decided.json["state"] == "superseded"
    words = "repository knows epoch 3, in which node2 is active"
    assert words in decided.json["reason"]
    assert not (node.root / "run/lpse/open.conf").exists()
    assert words in node("guard", "require").json["reasons"][0]
    assert words in node("guard", "show").json["guard"]["reason"]
    assert words in (node.root / "etc/issue.d/lpse-guard.issue").read_text()
    assert words in node("observe").json["guard"]["reason"]
    refused = node("release", "--reason", "the old server must serve again")
    assert refused.code == 3
    assert words in refused.json["reasons"][0]


def test_a_holding_guard_opens_when_a_voter_comes_up(node: Helper) -> None:
    node("epoch", "write", "--run", "r1", "--token", "1", stdin=json.dumps(make_record(2)) + "\n")
    guard = node.popen("guard", "run")
    state = node.root / "run/lpse/guard.json"
    assert wait_until(lambda: state.exists() and "holding" in state.read_text(), 20)
    assert not (node.root / "run/lpse/open.conf").exists()
    node.peer("198.51.100.30", make_record(2))
    assert wait_until(lambda: '"active"' in state.read_text(), 30)
    assert (node.root / "run/lpse/open.conf").exists()
    guard.kill()
    guard.communicate()


def test_release_is_recorded_and_opens(node: Helper) -> None:
    node("epoch", "write", "--run", "r1", "--token", "1", stdin=json.dumps(make_record(2)) + "\n")
    assert node("release", "--reason", "repository and node2 burnt").json == {"released": True, "epoch": 2}
    kept = json.loads((node.var / "releases.jsonl").read_text())
    assert kept["reason"] == "repository and node2 burnt"
    assert "does not answer" in kept["voters"]
    node("guard", "run")
    assert node("guard", "show").json["guard"]["state"] == "released"


def test_activation_is_refused_with_all_reasons(node: Helper) -> None:
    node("epoch", "init", "--active", "node1")
    refused = node("activate", "--run", "r1", "--token", "1")
    assert refused.code == 3
    assert len(refused.json["reasons"]) == 4
    assert not (node.root / "run/lpse/serving").exists()


@pytest.mark.parametrize("verb", ["promote", "claim-address", "activate"])
def test_what_makes_a_node_active_needs_its_record(node: Helper, verb: str) -> None:
    assert "no epoch record" in node(verb, "--run", "r1", "--token", "1").json["reasons"][0]
    node("epoch", "init", "--active", "node2")
    assert "names node2 active" in node(verb, "--run", "r1", "--token", "1").json["reasons"][0]


def test_documents_are_counted(node: Helper) -> None:
    tree = node.root / "home/file/file_prod"
    (tree / "2026").mkdir(parents=True)
    (tree / "old.rhs").write_bytes(b"12345")
    os.utime(tree / "old.rhs", (1000, 1000))
    newest = tree / "2026" / 'surat  "penawaran".rhs'
    newest.write_bytes(b"123")
    os.utime(newest, (2000, 2000.5))
    (tree / ".half.part").write_bytes(b"x")
    assert node("documents").json == {
        "newest": {"name": '2026/surat  "penawaran".rhs', "time": 2000.5},
        "files": 2,
        "bytes": 8,
    }


def test_the_helper_leaves_no_work_files(node: Helper, tmp_path: Path) -> None:
    node("epoch", "adopt")
    assert not list((tmp_path / "run/lpse").glob("work.*"))


@pytest.mark.parametrize("part", sorted(path.name for path in (FILES / "node.d").glob("*.sh")))
@pytest.mark.parametrize("left", [0, 0.5, 0.99])
def test_a_part_that_a_power_cut_shortened_opens_nothing(
    node: Helper, part: str, left: float, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(FILES, copy)
    whole = (copy / "node.d" / part).read_bytes()
    (copy / "node.d" / part).write_bytes(whole[: int(len(whole) * left)])
    open_as(node, "active", "node1", signal=False)
    done = subprocess.run(
        [str(copy / "lpse-node"), "guard", "require"],
        env=node.environment,
        capture_output=True,
        check=False,
        timeout=scaled(20),
    )
    assert done.returncode != 0
