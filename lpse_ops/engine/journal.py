"""The journal: one append-only, hash-chained file a run, the one source of truth about it.

A line is one event: ``{"seq", "time", "run", "type", ..., "previous", "hash"}``. ``hash`` is the SHA-256 of
the event without its own hash; ``previous`` is the hash of the event before it (the run's id in the first).
An event is on disk (fsync) before `append` returns. A last line without its newline is what a power cut
leaves of an event that was never acknowledged: it is cut off when the journal is opened again, never in its
middle.
"""

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from lpse_ops.errors import FaultsFound, StepFailed, UsageError
from lpse_ops.i18n import _

Event = dict[str, Any]
Listener = Callable[[Event, str], None]


class Journal:
    """The journal of one run, open for appending. Safe to use from several threads."""

    def __init__(self, path: Path, run: str, events: list[Event]) -> None:
        self.path = path
        self.run = run
        self._events = events
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)

    @classmethod
    def create(cls, folder: Path, run: str) -> Self:
        """Given a folder and a run id, start a new journal. Raise FileExistsError if the run has one."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{run}.jsonl"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _sync_folder(folder)
        return cls(path, run, [])

    @classmethod
    def open(cls, folder: Path, run: str) -> Self:
        """Open the journal of a run to go on with it.

        Raise UsageError if there is none, FaultsFound if it is damaged.
        """
        path = folder / f"{run}.jsonl"
        events = read_events(path)
        with path.open("r+b") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
        return cls(path, run, events)

    def listen(self, listener: Listener) -> None:
        """Call `listener(event, line)` after every event from now on, in order, under the journal's lock:
        it must be quick.
        """
        self._listeners.append(listener)

    @property
    def events(self) -> list[Event]:
        """All events so far, oldest first (a copy)."""
        with self._lock:
            return list(self._events)

    def append(self, kind: str, **fields: Any) -> Event:
        """Given the type of an event and its fields, write it to disk and return it.

        Raise StepFailed if it cannot be written (the journal then stands as before).
        """
        with self._lock:
            previous = self._events[-1]["hash"] if self._events else self.run
            event: Event = {
                "seq": len(self._events) + 1,
                "time": round(time.time(), 6),
                "run": self.run,
                "type": kind,
                **fields,
                "previous": previous,
            }
            event = json.loads(json.dumps(event))  # what is hashed is what a reader will see
            event["hash"] = event_hash(event)
            line = _line(event)
            self._store(line)
            self._events.append(event)
            for listener in self._listeners:
                listener(event, line.decode())
            return event

    def close(self) -> None:
        """Close the file; the journal stays as it is. What a late thread still wants to append is refused."""
        with self._lock:
            os.close(self._file)
            self._file = -1

    def _store(self, line: bytes) -> None:
        size = None
        try:
            size = os.fstat(self._file).st_size
            _write_all(self._file, line)
            os.fdatasync(self._file)
        except OSError as error:
            if size is not None:
                # Half a line (a full disk) would break the chain for whatever is written next.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, size)
            raise _unwritable(self.path, error) from error


def _unwritable(path: Path, error: OSError) -> StepFailed:
    return StepFailed(
        _("The journal %(path)s cannot be written: %(why)s") % {"path": path, "why": error.strerror},
        hint=_("Make room on this machine's disk, then go on with `lpse-ops resume`."),
    )


def event_hash(event: Mapping[str, Any]) -> str:
    """Return the hash that `event` must carry."""
    body = {key: value for key, value in event.items() if key != "hash"}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def read_events(path: Path) -> list[Event]:
    """Given a journal's path, return its events.

    Raise UsageError if it cannot be read, FaultsFound if the chain is broken.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(
            _("The journal %(path)s cannot be read: %(why)s") % {"path": path, "why": error.strerror},
            hint=_("`lpse-ops journal list` shows the runs of this site."),
        ) from error
    events: list[Event] = []
    previous = path.stem
    for number, line in enumerate(lines[:-1], 1):
        event = parse_event(line)
        if (
            event is None
            or event["seq"] != number
            or event["previous"] != previous
            or event["hash"] != event_hash(event)
        ):
            raise FaultsFound(
                _("The journal %(path)s is damaged at event %(number)s.") % {"path": path, "number": number},
                hint=_(
                    "Keep the file as it is, and compare it with the mirror on the repository before going on."
                ),
            )
        previous = event["hash"]
        events.append(event)
    return events


def parse_event(line: bytes) -> Event | None:
    """Given a line, return the event that it is, None if it is none. Its hash is not checked."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if isinstance(event, dict) and {"seq", "previous", "hash", "type", "run"} <= event.keys():
        return event if isinstance(event["seq"], int) else None
    return None


def restore(path: Path, events: Sequence[Event]) -> None:
    """Given the path of a journal and its events from another machine, put it there, whole or not at all.

    Raise StepFailed if it cannot be written.
    """
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with part.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.writelines(_line(event) for event in events)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def _line(event: Event) -> bytes:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
