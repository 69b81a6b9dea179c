"""The document tree: owners and modes of everything in it, and its newest files by hash."""

# Paths stay text here: trees are walked file by file, and JSON takes text.
# ruff: noqa: PTH118, PTH120, PTH123, PTH202

from __future__ import annotations

import hashlib
import heapq
import os
import stat
from typing import Any

from lpse_ops.verification.probe.common import entry, group_name, node_conf, query, user_name

SHOWN = 3
NEWEST = 5
# Those of the last seconds may still be on their way to a standby.
ROWS_QUERY = """
select coalesce(json_agg(r), '[]') from (select att_path as path, att_sha256 as sha256 from standin_attachment
  where auditupdate < now()::timestamp - interval '10 seconds' order by att_id desc limit 20) r
"""
LARGEST_HASHED = 256 * 1024 * 1024


def documents(order: dict[str, Any]) -> dict[str, Any]:
    """Walk the tree once. Return its root, what is not as it should be (a few each), and the newest files."""
    root = order["documents"]
    wrong: dict[str, list[str]] = {"owner": [], "open": [], "executable": [], "strange": []}
    newest: list[tuple[float, str]] = []
    counted = 0
    for folder, _folders, names in os.walk(root):
        for name in (".", *names):
            path = os.path.normpath(os.path.join(folder, name))
            try:
                info = os.lstat(path)
            except FileNotFoundError:  # documents come and go while we walk
                continue
            _judge(path, info, order["user"], wrong)
            if stat.S_ISREG(info.st_mode):
                counted += 1
                heapq.heappush(newest, (info.st_mtime, path))
                if len(newest) > NEWEST:
                    heapq.heappop(newest)
    return {
        "root": entry(root),
        "parents": [entry(parent) for parent in _parents(root)],
        "files": counted,
        "wrong": {kind: {"count": len(paths), "examples": paths[:SHOWN]} for kind, paths in wrong.items()},
        "rows": _rows(order),
        "newest": [_hashed(root, path, when) for when, path in sorted(newest, reverse=True)],
    }


def _rows(order: dict[str, Any]) -> dict[str, Any]:
    """Return the newest documents that the database names, each with the hash it has on disk.

    Where SPSE keeps path and hash of a document is not publicly known: only the table of the stand-in is asked for.
    """
    conf = node_conf()
    known = query(
        conf, order["database"], "select to_json(to_regclass('public.standin_attachment') is not null)"
    )
    if known is not True:
        return {"known": False}
    rows = query(conf, order["database"], ROWS_QUERY)
    if isinstance(rows, dict):
        return {"known": True, **rows}
    for row in rows:
        row["found"] = _hashed(order["documents"], os.path.join(order["documents"], row["path"]), 0.0)[
            "sha256"
        ]
    return {"known": True, "rows": rows}


def _judge(path: str, info: os.stat_result, user: str, wrong: dict[str, list[str]]) -> None:
    mode = stat.S_IMODE(info.st_mode)
    if user_name(info.st_uid) != user or group_name(info.st_gid) != user:
        wrong["owner"].append(path)
    if mode & 0o007:
        wrong["open"].append(path)
    if stat.S_ISREG(info.st_mode):
        if mode & 0o111:
            wrong["executable"].append(path)
    elif not stat.S_ISDIR(info.st_mode):
        wrong["strange"].append(path)


def _parents(root: str) -> list[str]:
    found, path = [], os.path.dirname(root)
    while path != "/":
        found.append(path)
        path = os.path.dirname(path)
    return found


def _hashed(root: str, path: str, when: float) -> dict[str, Any]:
    info = {"name": os.path.relpath(path, root), "time": when, "sha256": None}
    try:
        if os.path.getsize(path) <= LARGEST_HASHED:
            with open(path, "rb") as file:
                info["sha256"] = hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        info["error"] = str(error)
    return info
