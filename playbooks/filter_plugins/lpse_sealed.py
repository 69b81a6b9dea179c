"""An inventory as every host keeps it for the night in which the controller is gone (filter ``lpse_sealed``)."""

import base64
import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

# What a failover needs of an inventory. The vault goes as it lies on the disk, encrypted; keys, golden copy and package
# store stay behind: a technician brings the SSH key and the vault's password.
FILES = (
    "hosts.yml",
    "group_vars/all/site.yml",
    "group_vars/all/connection.yml",
    "group_vars/all/vault.yml",
    "known_hosts",
    "artifacts/tls/ca.crt",
)
VAULT_MAGIC = b"$ANSIBLE_VAULT;"


def seal(folder: str, certificate: str) -> str:
    """Given an inventory folder and the service certificate's path in it, return both as text (base64 of a tar).

    The same inventory always gives the same text. Raise ValueError if the vault is not encrypted.
    """
    root, packed = Path(folder), io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in dict.fromkeys((*FILES, certificate)):
            path = root / name
            if not path.is_file():
                continue
            data = path.read_bytes()
            if name.endswith("vault.yml") and not data.startswith(VAULT_MAGIC):
                raise ValueError(f"{path} is not encrypted: it must not leave this machine")
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            tar.addfile(entry, io.BytesIO(data))
    return base64.encodebytes(packed.getvalue()).decode()


class FilterModule:
    """Makes the filter known to Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"lpse_sealed": seal}
