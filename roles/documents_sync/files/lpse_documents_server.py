# Plain calls of os: one a file, and there are many thousand files.
# ruff: noqa: PTH116, PTH118, PTH123
"""Forced command of the account lpse-documents: shows the document tree to the other hosts, read-only.

One process a session. It remembers the names it has told, so that looking for news costs one stat a folder.
Requests (a line of JSON each): ``news`` (``full`` tells everything anew), ``get`` (a part of a file),
``stat`` (how many, the newest; with ``keep``, what it finds on the way is told by the next ``news``).
"""

import json
import os
import stat
import sys
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

Json = dict[str, Any]

NODE_CONF = "/etc/lpse-ops/node.conf"
HIDDEN_PREFIX = "."  # an upload that is not finished, or the follower's own: no document (nor for lpse-node)
YOUNG_S = 120.0  # an upload still in progress changes its file; older ones are left to the full reconcile
TICK_S = 2.0  # times of change come in ticks of the kernel's clock: a folder this fresh is read again
MAX_PART = 4 << 20
MAX_REQUEST = 8192


class Folder:
    """What is known of one folder: its time of change when it was last read, the files then in it, the mode told."""

    __slots__ = ("changed_ns", "files", "mode")

    def __init__(self) -> None:
        self.changed_ns = self.mode = -1
        self.files: set[str] = set()


class Tree:
    """The tree as far as this session knows it."""

    def __init__(self, root: str) -> None:
        """Given the root of the tree, know nothing yet."""
        self.root = root
        self.folders: dict[str, Folder] = {}
        self.young: dict[str, tuple[int, int]] = {}
        self.untold: list[Json] = []
        self.newest: tuple[int, str] = (0, "")

    @property
    def count(self) -> int:
        """Return the number of files known."""
        return sum(len(folder.files) for folder in self.folders.values())

    def forget(self) -> None:
        """Know nothing any more: the next `news` tells everything."""
        self.folders.clear()
        self.young.clear()
        self.untold.clear()
        self.newest = (0, "")

    def news(self) -> Iterator[Json]:
        """Yield what is new or has changed since the last call: folders before what is in them."""
        untold, self.untold = self.untold, []
        yield from untold
        for name in list(self.young):
            yield from self._again(name)
        queue = [""] if "" not in self.folders else list(self.folders)
        while queue:
            yield from self._look(queue.pop(), queue)

    def _look(self, name: str, queue: list[str]) -> Iterator[Json]:
        """Look into one folder if it changed; folders found for the first time join the queue."""
        path = os.path.join(self.root, name) if name else self.root
        now_ns = time.time_ns()
        try:
            status = os.stat(path, follow_symlinks=False)
            folder = self.folders.setdefault(name, Folder())
            # Whoever makes a folder may give it its mode only when it is full; a copy with the first one would be shut.
            mode = stat.S_IMODE(status.st_mode)
            if name and mode != folder.mode:
                folder.mode = mode
                yield {"d": name, "m": mode}
            if status.st_mtime_ns == folder.changed_ns:
                return
            entries = list(os.scandir(path))
        except OSError as error:
            if not name:
                raise  # no tree at all (not mounted?) is not an empty tree
            if isinstance(error, FileNotFoundError):
                self.folders.pop(name, None)
                return
            # One bad folder on a dying disk must not keep the rest from being saved. It is told again by every
            # `news` until it can be read.
            yield {"bad": name, "why": error.strerror}
            return
        yield from self._enter(name, folder, entries, queue)
        settled = now_ns - status.st_mtime_ns > TICK_S * 1e9
        folder.changed_ns = status.st_mtime_ns if settled else -1

    def _enter(
        self, name: str, folder: Folder, entries: list[os.DirEntry[str]], queue: list[str]
    ) -> Iterator[Json]:
        """Tell what is new in a folder that was just read.

        Links, devices and hidden names are no documents.
        """
        seen: set[str] = set()
        for entry in entries:
            if entry.name.startswith(HIDDEN_PREFIX):
                continue
            inner = f"{name}/{entry.name}" if name else entry.name
            if entry.is_dir(follow_symlinks=False):
                if inner not in self.folders:
                    self.folders[inner] = Folder()
                    queue.append(inner)
            elif entry.is_file(follow_symlinks=False):
                seen.add(entry.name)
                if entry.name not in folder.files:
                    yield from self._tell(inner)
        folder.files = seen

    def _tell(self, name: str) -> Iterator[Json]:
        try:
            status = os.stat(os.path.join(self.root, name), follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat.S_ISREG(status.st_mode):
            return
        self.newest = max(self.newest, (status.st_mtime_ns, name))
        if time.time() - status.st_mtime < YOUNG_S:
            self.young[name] = (status.st_size, status.st_mtime_ns)
        yield {"n": name, "s": status.st_size, "t": status.st_mtime_ns, "m": stat.S_IMODE(status.st_mode)}

    def _again(self, name: str) -> Iterator[Json]:
        """Look at a young file again: tell it if it changed, let go of it once it has come to rest."""
        told = self.young.pop(name)
        try:
            status = os.stat(os.path.join(self.root, name), follow_symlinks=False)
        except FileNotFoundError:
            return
        if (status.st_size, status.st_mtime_ns) != told:
            yield from self._tell(name)
        elif time.time() - status.st_mtime < YOUNG_S:
            self.young[name] = told


class Server:
    """Answers the requests of one session."""

    def __init__(self, root: str, out: BinaryIO) -> None:
        """Given the root of the tree and where answers go."""
        self.tree = Tree(root)
        self.out = out

    def answer(self, request: Json) -> None:
        """Given a request, answer it. Raise ValueError if it is none."""
        order = request.get("op")
        if order == "news":
            if request.get("full"):
                self.tree.forget()
            for entry in self.tree.news():
                self._line(entry)
            self._line({"end": True} | self._summary())
        elif order == "stat":
            found = list(self.tree.news())
            if request.get("keep"):
                self.tree.untold = found
            self._line(self._summary())
        elif order == "get":
            self._part(str(request["n"]), int(request.get("at", 0)), int(request["len"]))
        else:
            raise ValueError(f"unknown request: {order!r}")
        self.out.flush()

    def _summary(self) -> Json:
        changed_ns, name = self.tree.newest
        newest = {"name": name, "time": changed_ns / 1e9} if name else None
        return {"count": self.tree.count, "newest": newest, "now": time.time()}

    def _part(self, name: str, at: int, length: int) -> None:
        """Send a part of a file behind a line with its size and time of change.

        ``gone`` if there is no such file, ``bad`` if it cannot be read.
        """
        parts = name.split("/")
        if any(part in ("", ".", "..") or part.startswith(HIDDEN_PREFIX) for part in parts) or "\0" in name:
            raise ValueError("a name outside the tree")
        try:
            handle = self._open(parts)
        except FileNotFoundError:
            self._line({"gone": True})
            return
        except OSError as error:
            # Whoever puts files here may still be about to give them their mode: worth another try soon, which a bad
            # sector is not.
            self._line({"bad": name, "why": error.strerror, "soon": isinstance(error, PermissionError)})
            return
        try:
            status = os.fstat(handle)
            data = os.pread(handle, min(length, MAX_PART), at) if stat.S_ISREG(status.st_mode) else b""
        except OSError as error:
            self._line({"bad": name, "why": error.strerror})
            return
        finally:
            os.close(handle)
        mode = stat.S_IMODE(status.st_mode)
        self._line({"s": status.st_size, "t": status.st_mtime_ns, "m": mode, "len": len(data)})
        self.out.write(data)

    def _open(self, parts: list[str]) -> int:
        """Open a file without following a link anywhere on the way to it."""
        handle = os.open(self.tree.root, os.O_RDONLY | os.O_DIRECTORY)
        for index, part in enumerate(parts):
            kind = os.O_DIRECTORY if index < len(parts) - 1 else os.O_NONBLOCK
            try:
                inner = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | kind, dir_fd=handle)
            finally:
                os.close(handle)
            handle = inner
        return handle

    def _line(self, answer: Json) -> None:
        self.out.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")


def setting(name: str, path: str = NODE_CONF) -> str:
    """Given the name of a setting of this host, return it. Raise KeyError if it is not set."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, _, value = line.strip().partition("=")
            if key == name:
                return value.strip("'\"")
    raise KeyError(name)


def serve(root: str, requests: BinaryIO, out: BinaryIO) -> None:
    """Given a tree and a session, answer until it ends.

    A request that is not understood ends it, with a reason.
    """
    server = Server(root, out)
    try:
        while line := requests.readline(MAX_REQUEST):
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("a request is an object")
            server.answer(request)
    except BrokenPipeError:
        return
    except (ValueError, KeyError, TypeError, OSError) as error:
        out.write(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
        out.flush()


if __name__ == "__main__":
    serve(setting("DOCUMENTS"), sys.stdin.buffer, sys.stdout.buffer)
