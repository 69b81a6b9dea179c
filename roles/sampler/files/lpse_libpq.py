"""The little of libpq that is needed here, each call with a deadline.

Not psycopg2: its replication cursor moves the confirmed position forward by itself when a keepalive comes
in, past what the caller confirmed (``explicitly_flushed_lsn`` in its ``pqpath.c``). Where the confirmation
means "the documents are safe as well", that would be a lie. And a query to a frozen server never returns.
"""

import ctypes
import select
import struct
import time
from collections.abc import Sequence
from typing import Any

CONNECTION_OK = 0
TUPLES_OK = 2
COPY_BOTH = 8
PG_EPOCH_S = 946684800


class DatabaseError(Exception):
    """The database does not answer, or refuses; its text says why."""


def _library() -> Any:
    library = ctypes.CDLL("libpq.so.5")
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    buffer = ctypes.POINTER(ctypes.c_void_p)
    signatures: dict[str, tuple[Any, Sequence[Any]]] = {
        "PQconnectdb": (pointer, (text,)),
        "PQstatus": (number, (pointer,)),
        "PQerrorMessage": (text, (pointer,)),
        "PQfinish": (None, (pointer,)),
        "PQsocket": (number, (pointer,)),
        "PQhost": (text, (pointer,)),
        "PQsetnonblocking": (number, (pointer, number)),
        "PQsendQuery": (number, (pointer, text)),
        "PQconsumeInput": (number, (pointer,)),
        "PQisBusy": (number, (pointer,)),
        "PQflush": (number, (pointer,)),
        "PQgetResult": (pointer, (pointer,)),
        "PQresultStatus": (number, (pointer,)),
        "PQresultErrorMessage": (text, (pointer,)),
        "PQntuples": (number, (pointer,)),
        "PQnfields": (number, (pointer,)),
        "PQgetvalue": (text, (pointer, number, number)),
        "PQgetisnull": (number, (pointer, number, number)),
        "PQclear": (None, (pointer,)),
        "PQgetCopyData": (number, (pointer, buffer, number)),
        "PQputCopyData": (number, (pointer, text, number)),
        "PQfreemem": (None, (pointer,)),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, list(arguments)
    return library


def lsn(text: str) -> int:
    """Given PostgreSQL's text of a place in the log, return it in bytes. Raise ValueError if it is none."""
    high, low = text.split("/")
    return (int(high, 16) << 32) | int(low, 16)


def lsn_text(value: int) -> str:
    """Given a place in the log in bytes, return PostgreSQL's text."""
    return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"


class Database:
    """A connection; opened by the constructor. Raise DatabaseError from every method if it is lost."""

    def __init__(self, conninfo: str) -> None:
        """Given a connection string (``connect_timeout`` belongs in it), connect."""
        self._pq = _library()
        self._handle = self._pq.PQconnectdb(conninfo.encode())
        if self._pq.PQstatus(self._handle) != CONNECTION_OK:
            error = self._error()
            self.close()
            raise error

    def close(self) -> None:
        """Close the connection."""
        if self._handle:
            self._pq.PQfinish(self._handle)
            self._handle = None

    @property
    def host(self) -> str:
        """Return the host that was connected to, of those the connection string names."""
        return str((self._pq.PQhost(self._handle) or b"").decode())

    def fileno(self) -> int:
        """Return the socket, for select."""
        return int(self._pq.PQsocket(self._handle))

    def query(self, sql: str, deadline_s: float = 2.0) -> list[tuple[str | None, ...]]:
        """Given SQL, return its rows as text."""
        result = self._run(sql, deadline_s, TUPLES_OK)
        try:
            rows, columns = self._pq.PQntuples(result), self._pq.PQnfields(result)
            return [
                tuple(self._value(result, row, column) for column in range(columns)) for row in range(rows)
            ]
        finally:
            self._pq.PQclear(result)
            self._drain()

    def stream(self, start: int) -> None:
        """Given a place in the log, have the server stream from there (no slot: it keeps nothing for us)."""
        self._pq.PQclear(self._run(f"START_REPLICATION PHYSICAL {lsn_text(start)}", 5.0, COPY_BOTH))
        self._pq.PQsetnonblocking(self._handle, 1)

    def messages(self) -> list[bytes]:
        """Return the messages of the stream that are here by now."""
        if not self._pq.PQconsumeInput(self._handle):
            raise self._error()
        found = []
        buffer = ctypes.c_void_p()
        while (size := self._pq.PQgetCopyData(self._handle, ctypes.byref(buffer), 1)) > 0:
            found.append(ctypes.string_at(buffer, size))
            self._pq.PQfreemem(buffer)
        if size < 0:
            raise DatabaseError(f"the stream ended: {self._error()}")
        return found

    def confirm(self, received: int, flushed: int) -> None:
        """Tell the server what was received and what is safe here."""
        now = int((time.time() - PG_EPOCH_S) * 1e6)
        message = struct.pack("!cQQQqB", b"r", received, flushed, flushed, now, 0)
        if (
            self._pq.PQputCopyData(self._handle, message, len(message)) < 0
            or self._pq.PQflush(self._handle) < 0
        ):
            raise self._error()

    def _run(self, sql: str, deadline_s: float, wanted: int) -> Any:
        """Return the first result of a statement (to be cleared)."""
        if not self._pq.PQsendQuery(self._handle, sql.encode()):
            raise self._error()
        until = time.monotonic() + deadline_s
        while self._pq.PQisBusy(self._handle):
            ready, _, _ = select.select([self.fileno()], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise DatabaseError("the database does not answer in time")
            if not self._pq.PQconsumeInput(self._handle):
                raise self._error()
        result = self._pq.PQgetResult(self._handle)
        if self._pq.PQresultStatus(result) != wanted:
            told = (self._pq.PQresultErrorMessage(result) or b"").decode(errors="replace").strip()
            self._pq.PQclear(result)
            raise DatabaseError(told or "an unexpected answer")
        return result

    def _drain(self) -> None:
        while result := self._pq.PQgetResult(self._handle):
            self._pq.PQclear(result)

    def _value(self, result: Any, row: int, column: int) -> str | None:
        if self._pq.PQgetisnull(result, row, column):
            return None
        return str(self._pq.PQgetvalue(result, row, column).decode())

    def _error(self) -> DatabaseError:
        told = (self._pq.PQerrorMessage(self._handle) or b"").decode(errors="replace").strip()
        return DatabaseError(" ".join(told.split())[:300] or "the connection is lost")


def place_of(message: bytes, received: int) -> int:
    """Given a message of the stream and the place reached, return the place reached now.

    ``w``: log data, its start in the first 8 bytes, 24 bytes of head; ``k``: a keepalive, which brings no
    data and so moves nothing.
    """
    if message[:1] == b"w":
        (start,) = struct.unpack_from("!Q", message, 1)
        return max(received, int(start) + len(message) - 25)
    return received


def wants_reply(message: bytes) -> bool:
    """Given a message of the stream, return whether the server asks for a confirmation at once."""
    return message[:1] == b"k" and len(message) >= 18 and message[17] == 1
