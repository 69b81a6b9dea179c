"""For all tests: English messages, no site or password from outside; counts for scripts/test.py, results for
scripts/reliability.py.
"""

import json
import os
import time
from pathlib import Path

import pytest

_OUTSIDE = ("LPSE_OPS_SITE", "LPSE_OPS_LANGUAGE", "LPSE_OPS_VAULT_PASSWORD_FILE", "LPSE_OPS_LAB_CONTROLLER")
_STARTED = round(time.time(), 3)


def pytest_configure(config: pytest.Config) -> None:
    """Free the tests from the caller's environment."""
    for name in _OUTSIDE:
        os.environ.pop(name, None)
    os.environ["LC_ALL"] = "C.UTF-8"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what became of each test, a line of JSON each, where LPSE_OPS_TEST_RESULTS asks for it."""
    path = os.environ.get("LPSE_OPS_TEST_RESULTS")
    if not path or (report.when != "call" and report.passed):
        return
    line = {
        "test": report.nodeid,
        "outcome": report.outcome,
        "release": os.environ.get("LPSE_OPS_TEST_RELEASES", ""),
        "session": _STARTED,
        "at": round(time.time()),
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("a") as file:
        file.write(json.dumps(line) + "\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the counts, and which tests are not good, where scripts/test.py asked for them; errors in fixtures are
    failures.
    """
    path = os.environ.get("LPSE_OPS_TEST_COUNTS")
    if not path:
        return
    stats = {
        name: len(terminalreporter.stats.get(name, ())) for name in ("passed", "failed", "error", "skipped")
    }
    counts = {
        "passed": stats["passed"],
        "failed": stats["failed"] + stats["error"],
        "skipped": stats["skipped"] + len(terminalreporter.stats.get("xfailed", ())),
    }
    faults = [
        report.nodeid
        for name in ("failed", "error", "skipped")
        for report in terminalreporter.stats.get(name, ())
    ]
    Path(path).write_text(json.dumps({**counts, "faults": faults}))
