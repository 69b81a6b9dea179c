"""How a run stands, read from its events."""

from collections.abc import Sequence
from typing import Any

from lpse_ops.engine.journal import Event
from lpse_ops.errors import LpseError

GOOD = ("done", "already")
ENDED = ("done", "incomplete", "superseded")  # statuses of a run that cannot go on


def described(error: LpseError) -> dict[str, Any]:
    """Return an error as an event holds it."""
    return {"message": error.message, "reasons": list(error.reasons), "hint": error.hint}


def last_status(events: Sequence[Event]) -> str:
    """Given the events of a run, return how it stands: ``running`` (or died) or the status of its last stop
    or end.
    """
    for event in reversed(events):
        if event["type"] in ("run-ended", "run-stopped"):
            return str(event["status"])
        if event["type"] in ("run-started", "resumed"):
            break
    return "running"
