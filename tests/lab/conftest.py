"""Labs for tests: one at a time, one a release, brought to a known state before every test.

``LPSE_OPS_TEST_RELEASES`` (default ``12,13``) names the Debian releases. The states are snapshots, made when a test
first asks for one: ``bare``, ``provisioned``, ``protected``. A machine that cannot carry a lab fails these tests; it
does not skip them.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lpse_ops.lab.lab import Lab
from lpse_ops.waiting import scaled, wait_until

ROOT = Path(__file__).parents[2]
STATES = ("bare", "provisioned", "protected")
COMMANDS = {"provisioned": ["provision"], "protected": ["protect"]}
RELEASES = os.environ.get("LPSE_OPS_TEST_RELEASES", "12,13").split(",")
BUILD_SECONDS = 480

At = Callable[[str], Lab]


def say(message: str) -> None:
    """Show progress where pytest shows it for a failed test."""
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr)  # noqa: T201


def lpse_ops(lab: Lab, *words: str, seconds: float = BUILD_SECONDS) -> subprocess.CompletedProcess[str]:
    """Run the command line on the site of `lab`, as a person would; return what it did."""
    return subprocess.run(
        [sys.executable, "-m", "lpse_ops", *words, "--site", f"lab:{lab.name}"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=scaled(seconds),
        check=False,
    )


def bring_to(lab: Lab, state: str) -> None:
    """Put `lab` into `state`, making its snapshot (and those before it) if there is none."""
    if state in lab.snapshots():
        lab.reset(state)
        settle(lab, state)
        return
    before = STATES.index(state) - 1
    if before >= 0:
        bring_to(lab, STATES[before])
        done = lpse_ops(lab, *COMMANDS[state])
        # 5: done but incomplete, which a site without its standby is.
        assert done.returncode in {0, 5}, f"{done.args}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    lab.snapshot(state)
    settle(lab, state)


def settle(lab: Lab, state: str) -> None:
    """Wait until what the hosts bring up by themselves after a start is up: node1 serves, node2 follows it."""
    if state != "bare":
        serving = ["test", "-e", "/run/lpse/serving"]
        assert wait_until(lambda: lab.run("node1", serving).returncode == 0, 120), "node1 does not serve"
    if state == "protected":
        assert wait_until(lambda: lpse_ops(lab, "status").returncode == 0, 120), lpse_ops(
            lab, "status"
        ).stdout


@pytest.fixture(scope="session", params=RELEASES, ids=lambda release: f"debian{release}")
def release(request: pytest.FixtureRequest) -> str:
    """The Debian release; session-scoped, so that pytest does all tests of one before the other."""
    return str(request.param)


@pytest.fixture(scope="session")
def lab(release: str) -> Iterator[Lab]:
    """A lab of this test session, in no state that can be relied on.

    With ``LPSE_OPS_TEST_LABS`` (a prefix for names) it outlives the session, for the next stage; whoever set that takes
    it down.
    """
    kept = os.environ.get("LPSE_OPS_TEST_LABS")
    made = Lab(f"{kept or f't{os.getpid()}'}-{release}", report=say)
    if not (kept and made.exists()):
        made.down()
        made.up(release)
    try:
        yield made
    finally:
        if not kept:
            made.down()


@pytest.fixture(scope="session")
def at(lab: Lab) -> At:
    """A function that puts the session's lab into a state and returns it; for fixtures that serve a whole module."""

    def put(state: str) -> Lab:
        bring_to(lab, state)
        return lab

    return put


@pytest.fixture
def bare_lab(at: At) -> Lab:
    """The lab as its hosts come from the installer."""
    return at("bare")


@pytest.fixture
def provisioned_lab(at: At) -> Lab:
    """The lab with all hosts provisioned, node1 active and alone."""
    return at("provisioned")


@pytest.fixture
def protected_lab(at: At) -> Lab:
    """The lab with node2 a standby of node1."""
    return at("protected")


@pytest.fixture(scope="module")
def bare_lab_of_module(at: At) -> Lab:
    """As `bare_lab`, once a module: for tests that only look, or tidy up after themselves."""
    return at("bare")


@pytest.fixture(scope="module")
def provisioned_lab_of_module(at: At) -> Lab:
    """As `provisioned_lab`, once a module."""
    return at("provisioned")


@pytest.fixture(scope="module")
def protected_lab_of_module(at: At) -> Lab:
    """As `protected_lab`, once a module."""
    return at("protected")
