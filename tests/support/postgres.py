"""The PostgreSQL programs of this machine, for tests that run a server of their own."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest


def programs() -> Path:
    """Return the folder of the newest installed PostgreSQL's programs; fail the test if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        pytest.fail("PostgreSQL is missing: apt-get install postgresql")
    return found[-1].parent


def as_postgres(argv: Sequence[str]) -> list[str]:
    """Return a command as a user that PostgreSQL agrees to run as: it refuses root."""
    return ["runuser", "-u", "postgres", "--", *argv] if os.geteuid() == 0 else list(argv)
