"""A lock that belongs to a process, not to a file: it goes with its holder, however that ends."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path


class Taken(Exception):
    """Somebody else holds the lock; the argument is the holder's process id as text ('?' if unknown)."""


@contextlib.contextmanager
def locked(path: Path, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the lock of the file `path`; the file is removed afterwards.

    Taken by another: call `waiting` with the holder's process id and wait; without `waiting` raise Taken.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _acquire(path, waiting)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _acquire(path: Path, waiting: Callable[[str], None] | None) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode() or "?"
            if waiting is None:
                os.close(descriptor)
                raise Taken(holder) from None
            waiting(holder)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        # The holder before us may have removed the file while we waited: then ours is no longer the lock of `path`.
        if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
        os.close(descriptor)
