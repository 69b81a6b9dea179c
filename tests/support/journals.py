"""Journals of runs as tests bend them."""

import json
from collections.abc import Sequence
from pathlib import Path

from lpse_ops.engine.journal import Event

RUN = "run-1"


def lines(events: Sequence[Event]) -> list[str]:
    """Return events as the lines that a host holds."""
    return [json.dumps(event) for event in events]


def shorten(folder: Path, events: int) -> None:
    """Cut the journal of the run in a folder after so many events."""
    path = folder / f"{RUN}.jsonl"
    kept = path.read_bytes().splitlines(keepends=True)[:events]
    path.write_bytes(b"".join(kept))
