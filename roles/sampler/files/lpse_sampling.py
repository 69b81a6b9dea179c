"""Samples of the active node: what it had written when, kept on another host as the source of the loss
statement.

One line of JSON a sample, on disk before the next one is taken: ``{"time", "ok": true, "active", "lsn",
"wal_rate", "documents": {"count", "rate", "newest"}, "received": {"lsn", "documents"},
"timeline"}`` or ``{"time", "ok": false, "error"}``. Rates are per second over the last 30 s.
"""

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from lpse_libpq import Database, DatabaseError, lsn
from lpse_link import Link, LinkError

Json = dict[str, Any]

EVERY_S = 2.0
RATE_WINDOW_S = 30.0
KEPT = 2000
LONGEST = 4000
GOOD_KEPT = (
    100  # good ones stay, however long the active node has not answered: a loss statement stands on them
)

POSITION = """
select pg_current_wal_lsn()::text,
       (select max(flush_lsn)::text from pg_stat_replication where application_name <> 'documents'),
       ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int::text
"""


class Rates:
    """Growth a second of two counters over the last `RATE_WINDOW_S`."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._seen: deque[tuple[float, int, int]] = deque()

    def add(self, at: float, wal: int, documents: int) -> tuple[float, float]:
        """Given a moment and both counters, return their rates (0 until there are two moments)."""
        if self._seen and (at <= self._seen[-1][0] or wal < self._seen[-1][1]):
            self._seen.clear()  # the clock was set, or another node is active now
        self._seen.append((at, wal, documents))
        while len(self._seen) > 2 and at - self._seen[0][0] > RATE_WINDOW_S:
            self._seen.popleft()
        first = self._seen[0]
        span = at - first[0]
        if span <= 0:
            return 0.0, 0.0
        return round((wal - first[1]) / span, 1), round(max(0, documents - first[2]) / span, 2)


class Ring:
    """The file of samples: the newest `KEPT` to `LONGEST` lines, and the last good ones before them.

    It is rewritten in place: this process may not make files where root keeps its own.
    """

    def __init__(self, path: str) -> None:
        """Given the path of the file, which exists, drop what a power cut tore."""
        self._file = os.open(path, os.O_RDWR)
        self._lines = [line for line in self._read().split(b"\n") if _whole(line)]
        self._rewrite()

    def append(self, sample: Json) -> None:
        """Given a sample, put it on disk. Raise OSError if that fails."""
        line = json.dumps(sample, separators=(",", ":")).encode()
        self._lines.append(line)
        if len(self._lines) >= LONGEST:
            good = [line for line in self._lines[:-KEPT] if b'"ok":true' in line][-GOOD_KEPT:]
            self._lines = good + self._lines[-KEPT:]
            self._rewrite()
            return
        os.lseek(self._file, 0, os.SEEK_END)
        _write(self._file, line + b"\n")
        os.fsync(self._file)

    def _read(self) -> bytes:
        return os.pread(self._file, os.fstat(self._file).st_size, 0)

    def _rewrite(self) -> None:
        content = b"".join(line + b"\n" for line in self._lines)
        os.lseek(self._file, 0, os.SEEK_SET)
        _write(self._file, content)
        os.ftruncate(self._file, len(content))
        os.fsync(self._file)


class Sampler:
    """Takes samples through a database connection and a link to the document server."""

    def __init__(
        self,
        conninfo: str,
        names: dict[str, str],
        link: Callable[[str], Link],
        *,
        shared: bool = False,
        received: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Given how to connect, the names of the nodes' addresses and how to get the link to one, do nothing
        yet.

        `shared`: a follower uses the link too. `received`: how many documents the standby has (None: not
        known here).
        """
        self._conninfo = conninfo
        self._names = names
        self._link = link
        self._stat = {"op": "stat", "keep": shared}
        self._received = received
        self._database: Database | None = None
        self._rates: dict[str, Rates] = {}

    def sample(self) -> Json:
        """Return a sample.

        Raise nothing: what could not be seen makes a sample with ``ok`` false and the reason.
        """
        try:
            return self._take()
        except (DatabaseError, LinkError, OSError, ValueError, KeyError) as error:
            if self._database is not None:
                self._database.close()
                self._database = None
            # The time it was noticed, not when it was asked: meanwhile the node may have gone on acknowledging.
            return {"time": round(time.time(), 3), "ok": False, "error": f"{error}"[:300]}

    def _take(self) -> Json:
        if self._database is None:
            self._database = Database(self._conninfo)
        address = self._database.host
        with self._link(address).turn() as link:
            at = time.time()  # before anything is counted: what comes while we count is of after the sample
            link.send(self._stat)
            documents = link.line(60.0)
        ((position, flushed, timeline),) = self._database.query(POSITION)
        if position is None:
            raise ValueError("no position in the log")
        active = self._names.get(address, address)
        wal_rate, rate = self._rates.setdefault(active, Rates()).add(at, lsn(position), documents["count"])
        return {
            "time": round(at, 3),
            "ok": True,
            "active": active,
            "lsn": position,
            "wal_rate": wal_rate,
            "documents": {"count": documents["count"], "rate": rate, "newest": documents["newest"]},
            "received": {"lsn": flushed, "documents": self._received()},
            "error": None,
            "timeline": int(timeline or 0),
        }


def take_forever(sampler: Sampler, ring: Ring, wait: Callable[[float], object]) -> None:
    """Given a sampler, its file and how to wait, take a sample every `EVERY_S`, without drifting."""
    due = time.monotonic()
    while True:
        try:
            ring.append(sampler.sample())
        except OSError as error:  # a full disk stops the record, not what else this process does
            sys.stderr.write(f"a sample could not be kept: {error}\n")
        now = time.monotonic()
        due = max(due + EVERY_S, now)
        wait(due - now)


def _whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
