"""The cache of what is slow to build: one folder an entry, named by a hash of its recipe, whole or absent.

An entry is built in a folder beside its place and renamed when it is done. One builder at a time holds the entry's lock
file; the programs it starts run in a cgroup of the entry, so that what a killed builder left is found and cleared.
"""

import contextlib
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.lab import power, tools
from lpse_ops.lab.locking import Taken, locked
from lpse_ops.lab.names import cache_home

BUILD_GROUP = "lpse-lab.build"  # a dot cannot be in a lab's name


def recipe_key(recipe: Mapping[str, Any]) -> str:
    """Return the key of a recipe: the first 16 digits of the SHA-256 of its JSON."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]


def entry(
    kind: str,
    recipe: Mapping[str, Any],
    megabytes: int,
    build: Callable[[Path, str], None],
    report: tools.Report,
) -> Path:
    """Return the cache entry of `recipe`, building it first if there is none.

    `kind` is its folder (``images``, ``stores``); `build` is given an empty folder to fill and the cgroup in which to
    run programs. Whoever finds another process building waits for it. Raise LabError without `megabytes` MB free.
    """
    key = recipe_key(recipe)
    folder = cache_home() / kind
    final = folder / key
    if final.is_dir():
        return final
    tools.require_space(folder, megabytes)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(
        folder / f".{key}.lock", lambda _holder: report(_("Waiting for another lab that builds the same ..."))
    ):
        if final.is_dir():
            return final
        temporary = folder / f".{key}.building"
        _clear(temporary)
        temporary.mkdir(mode=0o755)
        try:
            build(temporary, f"{BUILD_GROUP}/{kind}-{key}")
            (temporary / "recipe.json").write_text(json.dumps(dict(recipe), indent=1, sort_keys=True) + "\n")
            temporary.rename(final)
        finally:
            _clear(temporary)
    return final


def clear_interrupted() -> None:
    """Remove what killed builders left; builds that are under way are let be."""
    for temporary in cache_home().glob("*/.*.building"):
        lock = temporary.with_name(temporary.name.removesuffix(".building") + ".lock")
        with contextlib.suppress(Taken), locked(lock):
            _clear(temporary)


def run_in(group: str, argv: list[str], report: tools.Report | None = None) -> None:
    """Run a builder's program in its cgroup and a mount namespace of its own: what it mounts goes when it goes.

    Its lines that begin with "I:" are told to `report`. Raise LabError with its last ones if it fails.
    """
    lines: list[str] = []
    with subprocess.Popen(
        power.in_group(group, ["unshare", "--mount", "--propagation", "slave", *argv]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=tools.tool_environment(),
    ) as process:
        for raw in process.stdout or ():
            lines.append(raw.rstrip())
            if report and raw.startswith("I: "):
                report("  " + raw[3:].strip())
    if process.returncode:
        raise LabError(
            _("%(program)s failed (exit code %(code)d): %(error)s")
            % {"program": argv[0], "code": process.returncode, "error": "\n".join(lines[-12:])}
        )


def _clear(temporary: Path) -> None:
    kind, key = temporary.parent.name, temporary.name.removesuffix(".building").lstrip(".")
    group = f"{BUILD_GROUP}/{kind}-{key}"
    power.kill_group(group)
    power.remove_group(group)
    power.remove_group(BUILD_GROUP)
    if temporary.exists():
        shutil.rmtree(temporary)
