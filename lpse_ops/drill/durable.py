"""An append-only JSONL file whose lines are on disk before the writer goes on."""

import json
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lpse_ops.errors import UsageError
from lpse_ops.i18n import _


class DurableLog:
    """Lines of JSON, one event each; many threads may append, and one fsync serves all who wait for it."""

    def __init__(self, path: Path) -> None:
        """Given a path where nothing is yet, open it. Raise UsageError if a file is there: a log is never reused."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        try:
            self._file = os.open(path, flags, 0o600)
        except FileExistsError:
            raise UsageError(
                _("%(path)s exists already.") % {"path": path}, hint=_("Name another file, or move it aside.")
            ) from None
        _sync_folder(path.parent)
        self._writing = threading.Lock()
        self._syncing = threading.Lock()
        self._written = 0
        self._synced = 0

    def append(self, event: dict[str, Any], *, durable: bool = True) -> None:
        """Append an event; with `durable`, return only when it is on disk. Raise OSError if that fails."""
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        with self._writing:
            if os.write(self._file, line) != len(line):
                raise OSError("short write")
            self._written += 1
            mine = self._written
        if durable:
            self._sync_up_to(mine)

    def _sync_up_to(self, mine: int) -> None:
        with self._syncing:
            # Whoever held the lock before may have synced this line with its own.
            if self._synced >= mine:
                return
            reached = self._written
            os.fsync(self._file)
            self._synced = reached

    def close(self) -> None:
        """Sync and close."""
        self._sync_up_to(self._written)
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_events(path: Path) -> list[dict[str, Any]]:
    """Given a log, return its events; a last line that was cut off while being written is left out."""
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1]]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
