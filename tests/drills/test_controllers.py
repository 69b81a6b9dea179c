"""Controllers that die, sleep, stop or meet: the run is finished once, and its record is one."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lpse_ops.drill.prepare import on_host
from lpse_ops.engine.journal import event_hash
from lpse_ops.engine.runs import runs_folder
from lpse_ops.lab.lab import Lab
from lpse_ops.site import load_site
from lpse_ops.waiting import wait_until
from tests.drills.bench import ROOT, forget_runs, killed, lpse_ops, served_by, started, told

SECOND = {"LPSE_OPS_LAB_CONTROLLER": "controller2"}
REASON = "the first technician's laptop does not answer"
FIRST, OTHER = "controller", "controller2"


def journals(lab: Lab, controller: str = FIRST) -> list[Path]:
    """The journals that a controller of the lab holds; the folder is a sibling of the first one's."""
    folder = runs_folder(load_site(f"lab:{lab.name}", secrets=False)).parent / controller
    return sorted(folder.glob("*.jsonl"))


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def is_stopped(process: "subprocess.Popen[str]") -> bool:
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].startswith("T")


@pytest.fixture
def dead_active(protected_lab: Lab) -> Lab:
    """The lab with its active node without power, and no journals on either controller."""
    forget_runs(protected_lab)
    for journal in journals(protected_lab, OTHER):
        journal.unlink()
    protected_lab.power_cut("node1")
    return protected_lab


def test_a_controller_that_never_saw_the_run_finishes_it(dead_active: Lab) -> None:
    dead = lpse_ops(dead_active, "failover", "--yes", LPSE_OPS_KILL_AT="after:epoch.repository")
    assert killed(dead), dead.stdout[-2000:] + dead.stderr[-2000:]
    assert journals(dead_active, OTHER) == []

    nothing = lpse_ops(dead_active, "resume", "--yes", **SECOND)
    assert nothing.returncode == 2, nothing.stdout
    done = lpse_ops(dead_active, "resume", "--from", "repository", "--yes", **SECOND)

    assert done.returncode == 5, done.stdout[-3000:] + done.stderr[-3000:]
    assert served_by(dead_active, "node2") == []
    # The first technician comes back to the keyboard.
    late = lpse_ops(dead_active, "resume", "--yes")
    assert late.returncode == 3
    assert "has ended" in told(late)["error"]["message"]
    (ours,), (theirs,) = journals(dead_active), journals(dead_active, OTHER)
    assert ours.name == theirs.name
    assert ours.read_bytes() == theirs.read_bytes()
    told_of = [told(lpse_ops(dead_active, "journal", "verify", **where)) for where in ({}, SECOND)]
    assert told_of[0] == told_of[1]
    assert set(told_of[0]["anchors"]) == {"node2", "repository"}


def test_a_workstation_that_never_knew_the_site_finishes_the_run(dead_active: Lab, tmp_path: Path) -> None:
    """It has lpse-ops, a key, the vault's password and the key of one host, and nothing else."""
    site, home = dead_active.site_folder, tmp_path / "home"
    home.mkdir()
    shutil.copy2(site / "ssh" / "id_ed25519", home / "key")
    shutil.copy2(site / "known_hosts", home / "known_hosts")
    shutil.copy2(site / ".vault-password", home / "password")
    dead = lpse_ops(dead_active, "failover", "--yes", LPSE_OPS_KILL_AT="inside:fence.power-off")
    assert killed(dead), dead.stdout

    def there(*words: str) -> subprocess.CompletedProcess[str]:
        own = [f"PYTHONPATH={ROOT}", f"HOME={home}", f"LPSE_OPS_STATE={home / 'state'}"]
        line = ["env", "-C", "/", *own, sys.executable, "-m", "lpse_ops", *words, "--output", "json"]
        return dead_active.run(OTHER, line, timeout=120)

    fetch = ["site", "fetch", "198.51.100.30", "--identity", f"{home}/key"]
    stranger = there(*fetch, "--into", f"{home}/none")
    assert stranger.returncode == 3, stranger.stdout
    assert "SHA256:" in stranger.stdout
    assert not (home / "none").exists()
    fetched = there(*fetch, "--known-hosts", f"{home}/known_hosts", "--into", f"{home}/site")
    assert fetched.returncode == 0, fetched.stdout
    at = ["--site", f"{home}/site", "--vault-password-file", f"{home}/password"]
    done = there("resume", "--from", "node2", "--yes", *at)
    assert done.returncode == 5, done.stdout[-3000:] + done.stderr[-3000:]
    assert served_by(dead_active, "node2") == []
    assert there("journal", "verify", "--site", f"{home}/site").returncode == 0


def test_a_controller_asleep_before_the_promotion_wakes_up_too_late(dead_active: Lab) -> None:
    asleep = started(dead_active, "failover", "--yes", LPSE_OPS_HALT_AT="begun:database.promote")
    try:
        assert wait_until(lambda: is_stopped(asleep), 60)

        held = lpse_ops(dead_active, "resume", "--from", "node2", "--yes", **SECOND)
        assert held.returncode in (5, 6), held.stdout + held.stderr  # 5: it slept longer than sshd waits
        if held.returncode == 6:
            taken = lpse_ops(
                dead_active, "resume", "--from", "node2", "--yes", "--take-lock", REASON, **SECOND
            )
            assert taken.returncode == 5, taken.stdout[-3000:] + taken.stderr[-3000:]
        assert served_by(dead_active, "node2") == []
        before = on_host(dead_active, "node2", ["cat", "/var/lib/lpse-ops/token"])

        asleep.send_signal(signal.SIGCONT)
        said = asleep.communicate(timeout=120)[0]
    finally:
        end(asleep)
    assert asleep.returncode == 4, said
    assert on_host(dead_active, "node2", ["cat", "/var/lib/lpse-ops/token"]) == before
    assert served_by(dead_active, "node2") == []
    verified = lpse_ops(dead_active, "journal", "verify")
    assert verified.returncode == 0, verified.stdout
    (ours,), (theirs,) = journals(dead_active), journals(dead_active, OTHER)
    assert ours.read_bytes() == theirs.read_bytes()
    assert list(ours.parent.glob("*.tail-*")), "what the sleeper still wrote is kept beside the journal"


def test_a_second_technician_takes_the_lock_and_the_first_can_do_nothing_more(dead_active: Lab) -> None:
    asleep = started(dead_active, "failover", "--yes", LPSE_OPS_HALT_AT="before:epoch.repository")
    try:
        assert wait_until(lambda: is_stopped(asleep), 60)
        refused = lpse_ops(dead_active, "failover", "--yes", **SECOND)
        assert refused.returncode == 6, refused.stdout
        assert "since" in told(refused)["error"]["message"]
        short = lpse_ops(dead_active, "failover", "--yes", "--take-lock", "asleep", **SECOND)
        assert short.returncode == 2, short.stdout

        taken = lpse_ops(dead_active, "failover", "--yes", "--take-lock", REASON, **SECOND)
        assert taken.returncode == 5, taken.stdout[-3000:] + taken.stderr[-3000:]
        (journal,) = journals(dead_active, OTHER)
        (note,) = [event for event in events(journal) if event["type"] == "lock-taken"]
        assert note["reason"] == REASON
        assert "repository" in note["from_"]
        assert REASON in on_host(dead_active, "repository", ["cat", "/var/lib/lpse-ops/locks-taken.jsonl"])

        asleep.send_signal(signal.SIGCONT)
        said = asleep.communicate(timeout=120)[0]
    finally:
        end(asleep)
    assert asleep.returncode == 4, said
    assert served_by(dead_active, "node2") == []
    old = journals(dead_active)[0].stem
    promote = ["/usr/local/sbin/lpse-node", "promote", "--run", old, "--token", "1"]
    late = dead_active.run("node2", promote)
    assert late.returncode == 3, late.stdout
    assert "another run has taken over" in late.stdout
    again = lpse_ops(dead_active, "resume", old, "--yes")
    assert again.returncode == 3, again.stdout
    assert "superseded" in told(again)["error"]["message"]


def test_a_second_ctrl_c_stops_at_once_and_the_run_goes_on_later(dead_active: Lab) -> None:
    run = started(dead_active, "failover", "--yes")
    assert run.stdout is not None
    for line in run.stdout:
        if "✓" in line:
            break
    run.send_signal(signal.SIGINT)
    run.send_signal(signal.SIGTERM)
    said = run.communicate(timeout=60)[0]
    assert run.returncode == 4, said
    assert events(journals(dead_active)[0])[-1]["status"] == "interrupted"
    done = lpse_ops(dead_active, "resume", "--yes")
    assert done.returncode == 5, done.stdout[-2000:] + done.stderr[-2000:]
    assert served_by(dead_active, "node2") == []


def test_a_journal_that_was_touched_is_found_out(dead_active: Lab) -> None:
    done = lpse_ops(dead_active, "failover", "--yes")
    assert done.returncode == 5, done.stdout
    (path,) = journals(dead_active)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert lpse_ops(dead_active, "journal", "verify").returncode == 0

    def verdict(content: bytes, name: str = path.name) -> tuple[int, str]:
        path.with_name(name).write_bytes(content)
        found = lpse_ops(dead_active, "journal", "verify", name.removesuffix(".jsonl"))
        return found.returncode, found.stdout

    def last_is(number: int) -> bytes:
        return b"".join(lines[:number])

    middle = len(lines) // 2
    touched = {
        "a changed byte": whole.replace(b'"active":"node2"', b'"active":"node1"', 1),
        "a deleted event": b"".join(lines[:middle] + lines[middle + 1 :]),
        "two swapped events": b"".join([*lines[:5], lines[6], lines[5], *lines[7:]]),
        "a cut tail": last_is(len(lines) - 1),
        "a tail cut within an event": whole[:-20],
        "all but the start cut off": last_is(1),
        "nothing left": b"",
    }
    for what, content in touched.items():
        assert content != whole, what
        code, said = verdict(content)
        assert code == 7, f"{what}: {code} {said}"
    path.write_bytes(whole)

    # A whole journal of another site, its chain recomputed: nothing in it is wrong but whose it is.
    foreign, previous = [], path.stem
    for event in events(path):
        event.pop("hash")
        if event["type"] == "run-started":
            event["plan"]["site"] = "another"
        event["previous"] = previous
        event["hash"] = previous = event_hash(event)
        foreign.append(json.dumps(event, separators=(",", ":"), ensure_ascii=False) + "\n")
    code, said = verdict("".join(foreign).encode())
    assert code == 7, said
    assert "another" in said
    path.write_bytes(whole)

    dead_active.partition("node2", "controller")
    dead_active.partition("repository", "controller")
    try:
        alone = lpse_ops(dead_active, "journal", "verify")
    finally:
        dead_active.heal()
    assert alone.returncode == 7, alone.stdout
    assert "unanchored" in alone.stdout
