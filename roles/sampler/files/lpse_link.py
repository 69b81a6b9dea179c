"""One SSH session to the document server of the active node, and the words spoken on it.

Requests and answers are lines of JSON; the bytes of a file follow its answer. Used by the follower (standby) and by the
sampler (standby and repository).
"""

import contextlib
import json
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
Json = dict[str, Any]

PRIVATE_PREFIX = ".lpse-"
"""Names that begin so belong to the follower (files being written, files moved aside) and are no documents."""

CHUNK = 1 << 18


class LinkError(Exception):
    """The session is gone or does not speak as agreed; its text says why. A new session may be tried."""


def good_name(name: str) -> bool:
    """Given a name in the tree as the server sent it, return whether it stays inside the tree and is no hidden one."""
    parts = name.split("/")
    return bool(name) and "\0" not in name and not any(not part or part.startswith(".") for part in parts)


def ssh_command(address: str, key: str, known_hosts: str, user: str = "lpse-documents") -> list[str]:
    """Return the command that opens a session: pinned host keys, this key only, nothing of the caller's settings."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": "3",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "ServerAliveInterval": "2",
        "ServerAliveCountMax": "2",
        "LogLevel": "ERROR",
    }
    words = ["ssh", "-F", "/dev/null", "-T", "-i", key]
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    return [*words, "-l", user, address]


class Link:
    """A session, opened by the first request and again after a fault.

    Safe for two threads: `turn` gives the session to one of them at a time, in the order they asked for it, so that a
    sample waits for one batch of a long copy and not for its end.
    """

    def __init__(self, command: list[str], deadline_s: float = 5.0) -> None:
        """Given the command whose stdin and stdout are the session, and how long an answer may take."""
        self._command = command
        self._deadline_s = deadline_s
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()
        self._queue = threading.Lock()
        self._mine = threading.Lock()
        self.session = 0  # counts sessions: what the server remembers of us ends with one

    @contextlib.contextmanager
    def turn(self) -> Iterator["Link"]:
        """Yield the link, alone on it. Whatever interrupts a turn ends the session: answers may be left unread."""
        with self._queue:
            self._mine.acquire()
        try:
            if self._process is None:
                self._open()
            yield self
        except BaseException:
            self._close()
            raise
        finally:
            self._mine.release()

    def close(self) -> None:
        """End the session."""
        with self._mine:
            self._close()

    def send(self, *requests: Json) -> None:
        """Given requests, send them. Few enough that they fit a pipe (64 KiB): nobody reads while we write."""
        pipe = self._session().stdin
        text = "".join(json.dumps(request) + "\n" for request in requests)
        try:
            if pipe is not None:
                pipe.write(text.encode())
        except OSError as error:
            raise self._fault(error.strerror or "closed") from error

    def line(self, deadline_s: float | None = None) -> Json:
        """Return the next answer. Raise LinkError if none comes in time, or if it reports an error."""
        until = time.monotonic() + (deadline_s or self._deadline_s)
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill(until)
        text = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise LinkError(f"the server said something that is not JSON: {text[:80]!r}") from error
        if not isinstance(answer, dict):
            raise LinkError("the server's answer is not an object")
        if "error" in answer:
            raise LinkError(f"the server: {answer['error']}")
        return answer

    def copy(self, count: int, write: Callable[[bytes], object]) -> None:
        """Given a number of bytes that follow, hand them on in pieces. Raise LinkError if they stop coming."""
        while count > 0:
            if not self._buffer:
                self._fill(time.monotonic() + self._deadline_s)
            piece = bytes(self._buffer[:count])
            del self._buffer[: len(piece)]
            count -= len(piece)
            write(piece)

    def _fill(self, until: float) -> None:
        pipe = self._session().stdout
        handle = pipe.fileno() if pipe is not None else -1
        ready, _, _ = select.select([handle], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise self._fault("no answer in time")
        piece = os.read(handle, CHUNK)
        if not piece:
            raise self._fault("the session ended")
        self._buffer += piece

    def _session(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise LinkError("there is no session: take a turn first")
        return self._process

    def _fault(self, why: str) -> LinkError:
        """ssh's own last words say more than "closed" where there are any."""
        process = self._process
        if process is not None and process.stderr is not None:
            process.kill()
            said = process.stderr.read().decode(errors="replace").strip().splitlines()
            if said:
                return LinkError(f"{why}: {said[-1][:200]}")
        return LinkError(why)

    def _open(self) -> None:
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        except OSError as error:
            raise LinkError(str(error)) from error
        self._buffer.clear()
        self.session += 1

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        process.wait()
