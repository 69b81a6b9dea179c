# Plain calls of os: one a file, and there are many thousand files.
# ruff: noqa: PTH108, PTH116, PTH118
"""Puts copies of the active node's documents into this node's tree: new and changed ones, never deleting any.

A copy is written beside its place, flushed, and only then given its name: whoever sees the name sees a whole
document that survives a power cut. What a copy replaces without having come from here before is moved aside,
not deleted.
"""

import contextlib
import os
import stat
import time
from collections.abc import Callable
from typing import Any

from lpse_link import PRIVATE_PREFIX, Link, LinkError, good_name

Json = dict[str, Any]

PART = 4 << 20
BATCH_FILES = 64
TEMPORARY = PRIVATE_PREFIX + "part-"
ASIDE = PRIVATE_PREFIX + "superseded"


class Puller:
    """Follows the server's tree at the other end of `link` into `root`.

    `missing` holds what is known but not here yet (name -> what the server told), `changing` what is tried again
    in the next pass (it changed while it was copied: an upload in progress; or it was not permitted yet),
    `unreadable` what the server cannot read (name -> why), `present` what is here as it is there (name -> size,
    time of change in ns), `summary` the server's last count and newest document.
    """

    def __init__(self, link: Link, root: str) -> None:
        """Given a link to the server and the root of this node's tree."""
        self.link = link
        self.root = root
        self.missing: dict[str, Json] = {}
        self.present: dict[str, tuple[int, int]] = {}
        self.changing: dict[str, Json] = {}
        self._bad_files: dict[str, str] = {}
        self._bad_folders: dict[str, str] = {}
        self.summary: Json = {}
        self._copied: set[str] = set()
        self.first_listing_s = 120.0
        self._session = -1
        self._counted = 0
        self._aside = time.strftime("%Y%m%dT%H%M%S", time.gmtime())

    def learn(self, full: bool = False) -> None:
        """Ask for news; `full`: for everything. Raise LinkError."""
        with self.link.turn() as link:
            everything = full or link.session != self._session
            link.send({"op": "news", "full": everything})
            known: dict[str, tuple[int, int]] = {}
            missing: dict[str, Json] = {}
            self._bad_folders.clear()
            if everything:
                self._bad_files.clear()
            while not (entry := link.line(self.first_listing_s)).get("end"):
                self._heard(entry, known, missing)
            self._session = link.session
            self.summary = entry
        if everything:
            self.present, self.missing = known, missing
        else:
            self.present.update(known)
            self.missing.update(self.changing | missing)
            for name in self.changing:
                self._bad_files.pop(name, None)
        self.changing.clear()

    def fetch(self) -> None:
        """Copy one batch of what is missing.

        Raise LinkError or OSError; what was finished before that stays.
        """
        batch: list[str] = []
        size = 0
        for name, entry in self.missing.items():
            size += entry["s"]
            if batch and (len(batch) >= BATCH_FILES or size > PART):
                break
            batch.append(name)
        touched: set[str] = set()
        try:
            if len(batch) == 1 and self.missing[batch[0]]["s"] > PART:
                self._fetch_large(batch[0], touched)
            else:
                self._fetch_small(batch, touched)
        finally:
            for folder in touched:
                self._flush(folder)

    @property
    def unreadable(self) -> dict[str, str]:
        """Return the files and folders that the server cannot read, and why."""
        return self._bad_folders | self._bad_files

    @property
    def behind(self) -> int:
        """Return how many files are known to be missing here."""
        return len(self.missing) + len(self.changing.keys() | self.unreadable.keys())

    @property
    def behind_bytes(self) -> int:
        """Return the size of what is known to be missing here."""
        return sum(entry["s"] for entry in (self.missing | self.changing).values())

    def oldest_missing(self) -> float | None:
        """Return the time of change of the oldest file that is missing here, in seconds since 1970."""
        times = [entry["t"] for entry in (self.missing | self.changing).values()]
        return min(times) / 1e9 if times else None

    @property
    def files(self) -> int:
        """Return how many documents are here: by the active node's list, before it was ever heard by counting."""
        return len(self.present) if self._session >= 0 else self._counted

    def sweep(self) -> None:
        """Remove what an interrupted copy left half-written, and count what is here.

        The count stands until the active node is heard: it may be dead, and then the count is what a failover has.
        """
        for path, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                if name.startswith(TEMPORARY):
                    os.unlink(os.path.join(path, name))
            self._counted += sum(not name.startswith(".") for name in files)

    def _heard(self, entry: Json, known: dict[str, tuple[int, int]], missing: dict[str, Json]) -> None:
        if "bad" in entry:
            self._bad_folders[str(entry["bad"])] = str(entry.get("why"))
            return
        name = str(entry.get("n", entry.get("d", "")))
        if not good_name(name):
            raise LinkError(f"the server names something outside the tree: {name[:80]!r}")
        if "d" in entry:
            self._make_folder(name, int(entry["m"]))
            return
        here = self._here(name)
        if here == (entry["s"], entry["t"]):
            known[name] = here
        else:
            missing[name] = entry

    def _here(self, name: str) -> tuple[int, int] | None:
        try:
            status = os.stat(os.path.join(self.root, name), follow_symlinks=False)
        except FileNotFoundError:
            return None
        return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None

    def _fetch_small(self, names: list[str], touched: set[str]) -> None:
        """Ask for all at once and take the answers as they come: one round trip for many files."""
        with self.link.turn() as link:
            link.send(*({"op": "get", "n": name, "len": PART} for name in names))
            for name in names:
                head = link.line()
                if self._absent(name, head):
                    continue

                def receive(handle: int, head: Json = head) -> Json | None:
                    link.copy(head["len"], lambda piece: _write(handle, piece))
                    return head if head["len"] == head["s"] else None

                self._put(name, receive, touched)
                if name in self.missing:
                    self._changed(name, head)  # it has outgrown one part

    def _fetch_large(self, name: str, touched: set[str]) -> None:
        """Take a large file in parts, each in a turn of its own."""

        def receive(handle: int) -> Json | None:
            at, first = 0, None
            while first is None or at < first["s"]:
                with self.link.turn() as link:
                    link.send({"op": "get", "n": name, "at": at, "len": PART})
                    head = link.line()
                    if self._absent(name, head):
                        return None
                    link.copy(head["len"], lambda piece: _write(handle, piece))
                first = first or head
                if (head["s"], head["t"]) != (first["s"], first["t"]) or head["len"] == 0 < first["s"]:
                    self._changed(name, head)
                    return None
                at += head["len"]
            return first

        self._put(name, receive, touched)

    def _put(self, name: str, receive: Callable[[int], Json | None], touched: set[str]) -> None:
        """Given what fills an open file (None: it changed meanwhile, leave it for later), put it in place."""
        folder, _, last = name.rpartition("/")
        where = self._folder(folder)
        part = f"{TEMPORARY}{os.getpid()}-{hash(name) & 0xFFFFFFFF:08x}"
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=where)
            try:
                head = receive(handle)
                if head is not None:
                    os.fchmod(handle, head["m"] & 0o777)
                    os.utime(handle, ns=(head["t"], head["t"]))
                    os.fsync(handle)
            except BaseException:
                os.unlink(part, dir_fd=where)
                raise
            finally:
                os.close(handle)
            if head is None:
                os.unlink(part, dir_fd=where)
                return
            self._keep_aside(name, last, where)
            os.rename(part, last, src_dir_fd=where, dst_dir_fd=where)
        finally:
            os.close(where)
        touched.add(folder)
        self.missing.pop(name, None)
        self.present[name] = (head["s"], head["t"])
        self._copied.add(name)

    def _keep_aside(self, name: str, last: str, where: int) -> None:
        """A document of this node's own past (it was active once) is not ours to overwrite."""
        if name in self._copied:
            return
        try:
            if os.stat(last, dir_fd=where, follow_symlinks=False).st_size == 0:
                return
        except FileNotFoundError:
            return
        folder = self._folder(f"{ASIDE}/{self._aside}")
        try:
            os.rename(last, "." + name.replace("/", "%2F"), src_dir_fd=where, dst_dir_fd=folder)
            os.fsync(folder)
        finally:
            os.close(folder)

    def _changed(self, name: str, head: Json) -> None:
        self.missing.pop(name, None)
        self.changing[name] = {"n": name, "s": head["s"], "t": head["t"], "m": head["m"]}

    def _absent(self, name: str, head: Json) -> bool:
        """Return whether the server could not give a file: it is gone, or cannot be read there."""
        if "bad" in head:
            entry = self.missing.pop(name, None)
            self._bad_files[name] = str(head.get("why"))
            if head.get("soon") and entry is not None:
                self.changing[name] = entry
            return True
        if head.get("gone"):
            self._gone(name)
            return True
        return False

    def _gone(self, name: str) -> None:
        self.missing.pop(name, None)
        self._bad_files.pop(name, None)
        self.present.pop(name, None)

    def _folder(self, name: str) -> int:
        """Return a handle of a folder of the tree, reached without following a link; make what is missing."""
        handle = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        for part in [part for part in name.split("/") if part]:
            try:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o750, dir_fd=handle)
                    os.fsync(handle)
                inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            finally:
                os.close(handle)
            handle = inner
        return handle

    def _make_folder(self, name: str, mode: int) -> None:
        handle = self._folder(name)
        try:
            if stat.S_IMODE(os.fstat(handle).st_mode) & 0o777 != mode & 0o777:
                os.fchmod(handle, mode & 0o777)
        finally:
            os.close(handle)

    def _flush(self, folder: str) -> None:
        handle = self._folder(folder)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _write(handle: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(handle, view) :]
