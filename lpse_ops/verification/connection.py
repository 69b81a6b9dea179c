"""How the suite reaches the hosts: a generated OpenSSH configuration in a private folder."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ADMIN = "lpse-admin"
# OpenSSH refuses control sockets with long paths (108 bytes, 41 of them its own), so a long TMPDIR is left.
LONGEST_FOLDER = 50


@contextmanager
def private_folder() -> Iterator[Path]:
    """Give a folder that only this user may enter; it is gone afterwards."""
    root = tempfile.gettempdir()
    where = root if len(root) + 25 < LONGEST_FOLDER else "/tmp"  # noqa: S108 - mkdtemp makes it 0700
    with tempfile.TemporaryDirectory(prefix="lpse-verify-", dir=where) as folder:
        yield Path(folder)


def write_ssh_config(
    folder: Path, hosts: Mapping[str, str], known_hosts: Path, identity_file: Path | None
) -> Path:
    """Given hosts (name -> address), write an ssh configuration and return its path.

    Host keys are strict and come from the site's known_hosts only; connections are shared.
    """
    common = [
        f"User {ADMIN}",
        "BatchMode yes",
        "StrictHostKeyChecking yes",
        f'UserKnownHostsFile "{known_hosts}"',
        "GlobalKnownHostsFile /dev/null",
        "UpdateHostKeys no",
        "LogLevel ERROR",
        "ServerAliveInterval 5",
        "ServerAliveCountMax 3",
        f"ControlPath {folder}/%C",
    ]
    if identity_file is not None:
        common += [f'IdentityFile "{identity_file}"', "IdentitiesOnly yes"]
    lines: list[str] = []
    for name, address in hosts.items():
        lines += [f"Host {name}", f"    HostName {address}"]
    lines += ["Host *", *(f"    {line}" for line in common)]
    path = folder / "ssh_config"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def close_connections(ssh_config: Path, hosts: Mapping[str, str]) -> None:
    """End the shared connections that were opened through `ssh_config`."""
    for name in hosts:
        subprocess.run(
            ["ssh", "-F", os.fspath(ssh_config), "-O", "exit", name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=10,
        )
