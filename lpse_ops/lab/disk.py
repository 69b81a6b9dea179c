"""The disk of a host: a file of its own, so that it can be full, and lose what was not synced, by itself."""

import os
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.lab import power, tools
from lpse_ops.lab.power import HostFile

SIZE = "4G"


def create(host: HostFile, files: Path) -> None:
    """Make the disk of `host`: an ext4 file system that holds `files` as its first layer.

    No blocks are reserved: full is full, for root too.
    """
    with host.image_file.open("wb") as file:
        file.truncate(int(host.size.removesuffix("G")) << 30)
    argv = ["mkfs.ext4", "-q", "-F", "-m", "0", "-L", host.name, "-d", str(files), str(host.image_file)]
    tools.run(argv)


def fill(host: HostFile, leave_mb: int = 0) -> int:
    """Fill the disk of `host` but for `leave_mb` MB, out of its sight; return the MB taken.

    Raise LabError if it is off.
    """
    free = os.statvfs(_mounted(host))
    size = free.f_bavail * free.f_frsize - (leave_mb << 20)
    if size <= 0:
        return 0
    with _fill_file(host).open("ab") as file:
        start = file.tell()
        # The last blocks go to the file system's own tables; take what can be had, down to single blocks.
        step = size
        end = start
        while step >= free.f_frsize and end < start + size:
            try:
                os.posix_fallocate(file.fileno(), end, min(step, start + size - end))
                end += min(step, start + size - end)
            except OSError:
                step //= 2
        return (end - start) >> 20


def free(host: HostFile) -> None:
    """Give the disk of `host` its space back. Raise LabError if it is off."""
    _fill_file(host).unlink(missing_ok=True)


def _fill_file(host: HostFile) -> Path:
    # In the top layer but not in the host's root: it goes with the layer at a reset.
    return _mounted(host) / "layers" / host.upper / "fill"


def _mounted(host: HostFile) -> Path:
    path = power.disk_of(host)
    if path is None:
        raise LabError(_("%(host)s is off; its disk cannot be reached.") % {"host": host.name})
    return path
