"""The pseudo-standby ``documents``: it makes a commit wait until its document is on this node as well.

It receives the active node's log like a standby, throws it away, and confirms a place as flushed only after
a pass over the documents that *began* after the place was received. A document is on the active node's disk
before its row is committed, so that pass has seen it. With ``synchronous_standby_names = 'FIRST 2 (node2,
documents)'`` nothing acknowledged can be lost.
"""

import contextlib
import os
import select
import threading
import time
from collections.abc import Callable

from lpse_libpq import Database, DatabaseError, lsn, place_of, wants_reply

RETRY_S = 0.5
STATUS_EVERY_S = 1.0


class Confirmer:
    """Receives the log in a thread of its own; `received` is the place reached."""

    def __init__(self, conninfo: str, arrived: Callable[[], object]) -> None:
        """Given how to connect for replication and whom to tell that the log went on, do nothing yet."""
        self._conninfo = conninfo
        self._arrived = arrived
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._stream = 0
        self._received = 0
        self._safe = 0
        self.error: str | None = None

    @property
    def received(self) -> tuple[int, int]:
        """Return the place reached, with the number of the stream it belongs to."""
        with self._lock:
            return self._stream, self._received

    def safe(self, mark: tuple[int, int]) -> None:
        """Given what `received` was when a pass began that is now complete, confirm it."""
        with self._lock:
            if mark[0] == self._stream:  # a new stream may be of another node or history
                self._safe = max(self._safe, mark[1])
        with contextlib.suppress(BlockingIOError):  # it is awake already
            os.write(self._wake_write, b".")

    def run(self) -> None:
        """Receive and confirm for ever."""
        while True:
            try:
                self._follow()
            except (DatabaseError, OSError, ValueError) as error:
                self.error = f"{error}"[:300]
                time.sleep(RETRY_S)

    def _follow(self) -> None:
        database = Database(self._conninfo)
        try:
            ((_system, _timeline, position, _name),) = database.query("IDENTIFY_SYSTEM")
            start = lsn(position or "")
            with self._lock:
                self._stream += 1
                self._received, self._safe = start, 0
            database.stream(start)
            self.error = None
            self._arrived()
            told = 0
            due = 0.0
            while True:
                asked = self._receive(database, max(0.0, due - time.monotonic()))
                with self._lock:
                    received, safe = self._received, self._safe
                if safe > told or asked or time.monotonic() >= due:
                    database.confirm(received, safe)
                    told, due = safe, time.monotonic() + STATUS_EVERY_S
        finally:
            database.close()

    def _receive(self, database: Database, wait_s: float) -> bool:
        """Wait for the log to go on, or for a pass to end; return whether the server asks for an answer."""
        ready = select.select([database.fileno(), self._wake_read], [], [], wait_s)[0]
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        asked = False
        if database.fileno() in ready:
            for message in database.messages():
                place = place_of(message, self._received)
                asked = asked or wants_reply(message)
                if place > self._received:
                    with self._lock:
                        self._received = place
                    self._arrived()
        return asked
