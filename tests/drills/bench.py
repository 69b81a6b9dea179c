"""What the drill tests share: the failover as a process of its own, and what "served" means."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lpse_ops.drill.prepare import cli, on_host
from lpse_ops.engine.runs import runs_folder
from lpse_ops.lab.lab import Lab
from lpse_ops.site import load_site
from lpse_ops.waiting import scaled

ROOT = Path(__file__).parents[2]
TENDERS = 20


def lpse_ops(lab: Lab, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``lpse-ops WORDS --output json`` on the lab's site and return what it did."""
    return subprocess.run(
        cli(lab, *words),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=scaled(300),
        check=False,
    )


def told(done: subprocess.CompletedProcess[str]) -> Any:
    """Return the JSON that a command printed; a failed assertion shows all it said."""
    assert done.stdout.strip(), f"exit {done.returncode}: {done.stderr[-3000:]}"
    return json.loads(done.stdout)


def error(done: subprocess.CompletedProcess[str], code: int) -> dict[str, Any]:
    """Return the error that a command ended with, after checking its exit code and that it says what to do."""
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    assert "Traceback" not in done.stdout + done.stderr
    found: dict[str, Any] = told(done)["error"]
    assert found["hint"]
    return found


def all_said(found: dict[str, Any]) -> str:
    """Return the message of an error and its reasons in one text."""
    return " ".join([found["message"], *found["reasons"]])


@contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    """Put another text into a file of the lab's inventory for a while."""
    kept = path.with_name(path.name + ".kept")
    shutil.copy2(path, kept)
    try:
        path.write_text(text)
        yield
    finally:
        kept.replace(path)


def started(lab: Lab, *words: str, **environment: str) -> "subprocess.Popen[str]":
    """Start ``lpse-ops WORDS --output json`` on the lab's site; all it says comes on its stdout."""
    return subprocess.Popen(
        cli(lab, *words),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def forget_runs(lab: Lab) -> None:
    """Remove the journals that earlier tests left on the controller."""
    for journal in runs_folder(load_site(f"lab:{lab.name}", secrets=False)).glob("*.jsonl"):
        journal.unlink()


def killed(done: subprocess.CompletedProcess[str]) -> bool:
    """Return whether the command ended by SIGKILL."""
    return done.returncode == -signal.SIGKILL


def get(lab: Lab, path: str) -> int:
    """GET a path at the service address from the controller's network; return the status (0: no answer)."""
    command = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "5"]
    ca = str(lab.site_folder / "artifacts" / "tls" / "ca.crt")
    where = ["--cacert", ca, "--resolve", "spse.lab.example:443:198.51.100.10"]
    return int(lab.run("controller", [*command, *where, f"https://spse.lab.example{path}"]).stdout or 0)


def sql(lab: Lab, node: str, statement: str) -> str:
    """Run SQL as the database's superuser on a node and return what it printed."""
    psql = ["runuser", "-u", "postgres", "--", "psql", "-qAtX", "-d", "epns_prod", "-c", statement]
    return on_host(lab, node, psql).strip()


def served_by(lab: Lab, node: str) -> list[str]:
    """Return everything that is not as it must be when `node` carries the service (an empty list: it does)."""
    seen = json.loads(on_host(lab, node, ["/usr/local/sbin/lpse-node", "observe"]))
    voter = json.loads(on_host(lab, "repository", ["/usr/local/sbin/lpse-node", "observe"]))
    wanted: Sequence[tuple[str, object, object]] = (
        ("record", seen["record"]["active"], node),
        ("voter's record", voter["record"]["epoch"], seen["record"]["epoch"]),
        ("guard", seen["guard"]["state"], "active"),
        ("recovery", seen["database"]["in_recovery"], False),
        ("application", seen["application"]["ready"], True),
        ("address", seen["address"]["held"], True),
        ("proxy", seen["proxy"]["open"], True),
        ("tender list", get(lab, "/eproc4/lelang"), 200),
    )
    return [f"{what}: {found!r}, not {want!r}" for what, found, want in wanted if found != want]
