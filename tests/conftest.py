"""For all tests: English messages, no site or password from outside, and the counts that scripts/test.py prints."""

import json
import os
from pathlib import Path

import pytest

_OUTSIDE = ("LPSE_OPS_SITE", "LPSE_OPS_LANGUAGE", "LPSE_OPS_VAULT_PASSWORD_FILE", "LPSE_OPS_LAB_CONTROLLER")


def pytest_configure(config: pytest.Config) -> None:
    """Free the tests from the caller's environment."""
    for name in _OUTSIDE:
        os.environ.pop(name, None)
    os.environ["LC_ALL"] = "C.UTF-8"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the counts where scripts/test.py asked for them; errors in fixtures are failures."""
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
    Path(path).write_text(json.dumps(counts))
