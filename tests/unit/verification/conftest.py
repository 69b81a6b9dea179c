"""A site without hosts, for tests of what judges and travels."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lpse_ops.verification.expected import Expected, expected_of


def site_of(**changes: Any) -> Any:
    """Return what `verify` reads of a Site; addresses are loopback ones where nothing listens."""
    parts: dict[str, Any] = {
        "name": "lab",
        "lab": "unit",
        "language": "id",
        "hosts": {"node1": "127.0.0.21", "node2": "127.0.0.22", "repository": "127.0.0.23"},
        "nodes": {"node1": SimpleNamespace(memory_mb=1024), "node2": SimpleNamespace(memory_mb=1024)},
        "repository": SimpleNamespace(name="repository", address="127.0.0.23"),
        "time_zone": "Asia/Jakarta",
        "policy": SimpleNamespace(max_clock_offset_s=1.0, rpo_s=60.0),
        "access": SimpleNamespace(public_keys=("ssh-ed25519 AAAA one",), ssh_from=("198.51.100.0/24",)),
        "service": SimpleNamespace(
            address="127.0.0.20",
            prefix=24,
            interface="host0",
            server_name="spse.lab.example",
            certificate="crt",
        ),
        "instance": SimpleNamespace(
            golden_copy="golden.tar",
            name="production",
            folder="/home/appserv/production",
            user="spse",
            context_path="/eproc4",
            address="127.0.0.1",
            port=9090,
            documents="/home/file/file_prod",
            database="epns_prod",
            database_role="epns",
            heap_mb=192,
        ),
        "database": SimpleNamespace(port=5432, locale="en_US.UTF-8", encoding="UTF8"),
        "replication": "async",
        "folder": Path("/nonexistent"),
        "known_hosts": Path("/dev/null"),
        "identity_file": None,
    }
    return SimpleNamespace(**(parts | changes))


@pytest.fixture
def site() -> Any:
    return site_of()


@pytest.fixture
def expected(site: Any) -> Expected:
    return expected_of(site)
