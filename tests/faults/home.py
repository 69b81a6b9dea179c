"""The way home after a round: the site is protected again, whichever node serves; the other one took nothing."""

import os
import subprocess
import time
from collections.abc import Callable

from lpse_ops.drill.prepare import cli
from lpse_ops.lab.lab import Lab
from lpse_ops.waiting import wait_until
from tests.drills.bench import ROOT, lpse_ops, told

TRIES = 3
BY_ITSELF_S = 45


def bring_home(lab: Lab, other: str, killed_after_s: float, say: Callable[[str], None]) -> list[str]:
    """Given the node that does not serve, make it a standby again; return what stood in the way at last.

    A standby that was away catches up by itself. What has another history is replaced. With `killed_after_s` above 0
    the first attempt to protect is killed then: doing it again must do.
    """
    if wait_until(lambda: _is_well(lab), BY_ITSELF_S, every=1):
        say(f"{other} follows by itself")
        return []
    words = ["protect", "--replace", other, "--yes"]
    if killed_after_s:
        say(
            f"protect --replace {other}, killed after {killed_after_s:.1f} s: {_kill(lab, words, killed_after_s)}"
        )
    for _try in range(TRIES):
        done = lpse_ops(lab, *words)
        say(f"protect --replace {other} ended with {done.returncode}")
        if done.returncode == 0 and wait_until(lambda: _is_well(lab), BY_ITSELF_S, every=1):
            return []
    status = told(lpse_ops(lab, "status"))
    return [f"{other} cannot be made a standby: {done.stdout[-800:]}; status: {status['reasons']}"]


def _is_well(lab: Lab) -> bool:
    return lpse_ops(lab, "status").returncode == 0


def _kill(lab: Lab, words: list[str], seconds: float) -> str:
    """Start a command and kill it after some seconds; return what came of it. Its playbook ends with its terminal."""
    with subprocess.Popen(
        cli(lab, *words),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        ends = time.monotonic() + seconds
        wait_until(lambda: process.poll() is not None or time.monotonic() > ends, seconds + 5, every=0.05)
        if process.poll() is not None:
            return f"it had ended with {process.returncode}"
        process.kill()
        return "killed"
