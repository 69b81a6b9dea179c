"""What lpse-node says of the host, and both locks of the guard as they stand on disk."""

# Paths stay text here: trees are walked file by file, and JSON takes text.
# ruff: noqa: PTH110, PTH119, PTH207

from __future__ import annotations

import glob
import json
import os
from typing import Any

from lpse_ops.verification.probe.common import entry, node_conf, read, run, unit

OPEN_FILE = "/run/lpse/open.conf"
PINNED = "/etc/lpse-ops/voter/peers/*.host"


def guard(_order: dict[str, Any]) -> dict[str, Any]:
    """Return the observation, the record, the guard's state and the state of its locks."""
    conf = node_conf()
    database_unit = conf.get("PG_UNIT", "")
    application_unit = conf.get("APP_UNIT", "")
    facts = {
        "observe": _json_of("observe"),
        "record": _json_of("epoch", "show"),
        "units": {name: unit(name) for name in ("lpse-guard", "lpse-watch", "lpse-follow", "lpse-sample")},
        "voter_key": entry("/etc/lpse-ops/voter/id_ed25519"),
        "voters_known": sorted(
            os.path.basename(path)[: -len(".host")]
            for path in glob.glob(PINNED)
            if (read(path) or "").strip()
        ),
        "flag": os.path.exists("/run/lpse/serving"),
        "follower": _parse(read("/run/lpse/documents.json")),
    }
    if database_unit:
        facts["lock1"] = unit(database_unit, "ExecStartPre", "DropInPaths")
        main = f"/etc/postgresql/{conf.get('PG_VERSION')}/{conf.get('PG_CLUSTER')}"
        facts["lock2"] = {
            "config": _config(main),
            "open_file": entry(OPEN_FILE),
            "open_file_text": read(OPEN_FILE),
            "start_conf": (read(f"{main}/start.conf") or "").strip(),
            "standby_signal": os.path.exists(f"{conf.get('PG_DATA')}/standby.signal"),
        }
    if application_unit:
        facts["application_lock"] = unit(application_unit, "ExecStartPre")
    return facts


def _config(main: str) -> str:
    """Return the lines in force of postgresql.conf and of the files that it includes by folder."""
    own = read(f"{main}/postgresql.conf") or ""
    texts = [own]
    if any(line.split("#")[0].replace("=", " ").split()[:1] == ["include_dir"] for line in own.splitlines()):
        texts += [read(path) or "" for path in sorted(glob.glob(f"{main}/conf.d/*.conf"))]
    lines = (line.split("#")[0].strip() for text in texts for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _json_of(*words: str) -> Any:
    code, out, err = run("/usr/local/sbin/lpse-node", *words)
    answer = _parse(out)
    return answer if answer is not None else {"error": (err or out or f"exit {code}").strip()[-300:]}


def _parse(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return None
