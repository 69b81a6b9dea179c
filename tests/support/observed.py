"""What healthy hosts say, as data that tests bend."""

import copy
from typing import Any

NOW = 1_790_000_000.0


def host(name: str) -> dict[str, Any]:
    """Return what ``lpse-node observe`` says on a healthy host: node1 active, node2 standby, repository."""
    common = {
        "version": "0.1.0",
        "node": name,
        "site": "lab",
        "time": NOW,
        "boot_id": "b",
        "uptime_s": 100.5,
        "zone": "Asia/Jakarta",
        "disk": {"mount": "/", "free_mb": 3000},
        "clock": {"synchronised": None, "offset_s": None},
        "record": {
            "site": "lab",
            "system_id": "7123",
            "epoch": 1,
            "active": "node1",
            "run": "init",
            "witnessed": True,
        },
        "token": 3,
        "guard": None,
        "unprotected": None,
        "database": None,
        "application": None,
        "documents": None,
        "address": {"held": False},
        "proxy": None,
        "samples": [sample()],
    }
    return common | {"node1": _active, "node2": _standby, "repository": dict}[name]()


def sample() -> dict[str, Any]:
    """Return a good sample of node1."""
    return {
        "time": NOW - 1.0,
        "ok": True,
        "active": "node1",
        "lsn": "0/3000148",
        "wal_rate": 12.5,
        "documents": {"count": 7, "rate": 0.5, "newest": {"name": "a.rhs", "time": NOW - 3}},
        "received": {"lsn": "0/3000148", "documents": 7},
        "error": None,
        "timeline": 1,
    }


def _database() -> dict[str, Any]:
    return {
        "running": True,
        "in_recovery": False,
        "version": 150008,
        "system_id": "7123",
        "timeline": 1,
        "history": [],
        "checkpoint": "0/3000060",
        "lsn": "0/3000148",
        "receive_lsn": None,
        "replay_lsn": None,
        "replay_paused": None,
        "receiver": None,
        "received_at": None,
        "last_commit": NOW - 2,
        "standbys": [],
    }


def _active() -> dict[str, Any]:
    link = {
        "name": "node2",
        "state": "streaming",
        "sync_state": "async",
        "flush_lsn": "0/3000148",
        "lag_bytes": 0,
    }
    return {
        "guard": {"state": "active", "open": True, "reason": "epoch 1"},
        "database": _database() | {"standbys": [link]},
        "application": {"state": "active", "ready": True},
        "documents": {"path": "/home/file/file_prod", "follower": None},
        "address": {"held": True},
        "proxy": {"running": True, "open": True},
    }


def _standby() -> dict[str, Any]:
    follower = {
        "state": "following",
        "last_pass": NOW - 0.3,
        "files": 7,
        "behind": 0,
        "behind_bytes": 0,
        "newest": {"name": "a.rhs", "time": NOW - 3},
        "lag_s": 0.0,
        "error": None,
    }
    standby = {"in_recovery": True, "lsn": None, "receive_lsn": "0/3000148", "replay_lsn": "0/3000148"}
    return {
        "guard": {"state": "standby", "open": True, "reason": "epoch 1"},
        "database": _database()
        | standby
        | {"replay_paused": False, "receiver": "streaming", "received_at": NOW - 1},
        "application": {"state": "inactive", "ready": False},
        "documents": {"path": "/home/file/file_prod", "follower": follower},
        "proxy": {"running": True, "open": False},
    }


def bent(name: str, path: str, value: object) -> dict[str, Any]:
    """Return `host(name)` with the value at a dotted path replaced."""
    data = copy.deepcopy(host(name))
    *way, last = path.split(".")
    inner = data
    for key in way:
        inner = inner[key]
    inner[last] = value
    return data
