"""The proxy: what Apache itself says its configuration amounts to."""

# Paths stay text here: trees are walked file by file, and JSON takes text.
# ruff: noqa: PTH118, PTH207

from __future__ import annotations

import glob
import os
import re
from typing import Any

from lpse_ops.verification.probe.common import entry, process, read, run, unit

INFO_MODULE = "/usr/lib/apache2/modules/mod_info.so"
DIRECTIVE = re.compile(r"^\s*([A-Za-z]\w*)\s+(.*)$")


def proxy(_order: dict[str, Any]) -> dict[str, Any]:
    """Return the unit, the directives in force (by name, in order), modules, and key and notice files."""
    code, _, complaint = run("apache2ctl", "-t")
    directives = _directives()
    return {
        "unit": unit("apache2.service"),
        "syntax": {"ok": code == 0, "complaint": complaint.strip()[-300:]},
        "directives": directives,
        "modules": re.findall(r"(\w+)_module", run("apache2ctl", "-M")[1]),
        "files": {
            path: entry(path)
            for name in ("SSLCertificateFile", "SSLCertificateKeyFile")
            for path in (value.strip('"') for value in directives.get(name, []))
        },
        "users": sorted({p["user"] for p in _workers() if p}),
        "notice": _notices(directives),
        "logs": [entry(path) for path in sorted(glob.glob("/var/log/apache2/*.log"))],
    }


def _directives() -> dict[str, list[str]]:
    """Return the parsed configuration through mod_info, which is loaded for this question only."""
    loaded = "info_module" in run("apache2ctl", "-M")[1]
    extra = () if loaded else ("-C", f"LoadModule info_module {INFO_MODULE}")
    found: dict[str, list[str]] = {}
    for line in run("apache2ctl", *extra, "-t", "-DDUMP_CONFIG")[1].splitlines():
        match = DIRECTIVE.match(line)
        if match and not line.lstrip().startswith("#"):
            found.setdefault(match.group(1), []).append(match.group(2).strip())
    return found


def _workers() -> list[dict[str, Any] | None]:
    pids = run("pgrep", "-x", "apache2")[1].split()
    main = (read("/run/apache2/apache2.pid") or "").strip()
    return [process(int(pid)) for pid in pids if pid != main]


def _notices(directives: dict[str, list[str]]) -> dict[str, Any]:
    """Return the files that an ErrorDocument 503 may mean: below the document root, or through an Alias."""
    documents = [
        value.split(None, 1)[1].strip('"')
        for value in directives.get("ErrorDocument", [])
        if value[:3] == "503"
    ]
    aliases = [value.replace('"', "").split() for value in directives.get("Alias", [])]
    roots = [value.strip('"') for value in directives.get("DocumentRoot", [])]
    files = {}
    for url in documents:
        paths = [target + url[len(prefix) :] for prefix, target in aliases if url.startswith(prefix)]
        paths += [os.path.join(root, url.lstrip("/")) for root in roots]
        for path in paths[:4]:
            text = read(path)
            files[path] = {"entry": entry(path), "text": text[:20000] if text else None}
    return {"documents": documents, "files": files}
