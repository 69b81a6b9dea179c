"""An inventory that a host kept (``lpse-node inventory``), unpacked for a controller that never had it."""

import base64
import binascii
import gzip
import io
import os
import tarfile
from pathlib import Path, PurePosixPath

from lpse_ops.errors import FaultsFound, UsageError
from lpse_ops.i18n import _
from lpse_ops.site.yamlfile import parse

LIMIT_BYTES = 4 << 20  # inventories are a few kB; a host that was broken into must not fill this disk


def unpack(text: str, folder: Path) -> list[str]:
    """Given the base64 text of a sealed inventory and a folder that is not there yet, fill it; return the files' names.

    Raise UsageError if the folder exists or cannot be made, FaultsFound if the text is no inventory.
    """
    files = _read(text)
    try:
        folder.mkdir(parents=True, mode=0o700)  # whatever lies below is for this user alone
        for name, data in files.items():
            _place(folder / name, data)
    except OSError as error:
        raise UsageError(
            _("The inventory cannot be put into %(folder)s: %(why)s")
            % {"folder": folder, "why": error.strerror},
            hint=_("Name a folder that does not exist yet."),
        ) from error
    return sorted(files)


def place_identity(folder: Path, identity: Path) -> None:
    """Given a fetched inventory and the technician's private key, put a copy where the inventory expects one.

    An inventory that names a place outside itself, or an SSH agent, is left alone. Raise UsageError if the key
    cannot be read.
    """
    document = parse("site.yml", (folder / "group_vars/all/site.yml").read_text(encoding="utf-8"))
    named = Path(str(document.get("lpse", "access", "identity_file") or "/"))
    if named.is_absolute() or ".." in named.parts or str(named).startswith("~"):
        return
    path = folder / named
    try:
        _place(path, identity.expanduser().read_bytes())
    except OSError as error:
        raise UsageError(
            _("The key %(file)s cannot be copied to %(path)s: %(why)s")
            % {"file": identity, "path": path, "why": error.strerror},
            hint=_("Give a private key that you may read."),
        ) from error


def _place(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def _read(text: str) -> dict[str, bytes]:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(base64.b64decode(text, validate=True))) as squeezed:
            data = squeezed.read(LIMIT_BYTES + 1)
        if len(data) > LIMIT_BYTES:
            raise ValueError("too large")
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            found = {}
            for entry in tar:
                path = PurePosixPath(entry.name)
                file = tar.extractfile(entry)
                if file is None or path.is_absolute() or ".." in path.parts:
                    raise ValueError(entry.name)
                found[str(path)] = file.read()
            return found
    except (ValueError, binascii.Error, OSError, EOFError, tarfile.TarError) as error:
        raise FaultsFound(
            _("What the host keeps is no sealed inventory: %(why)s") % {"why": error},
            hint=_("Ask another host, or run `lpse-ops protect` where the inventory is."),
        ) from error
