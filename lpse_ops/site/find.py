"""Which inventory is meant: a folder, a name, a lab, or the only one there is."""

import os
from pathlib import Path

from lpse_ops.content import content_root
from lpse_ops.errors import UsageError
from lpse_ops.i18n import _

SITE_VARIABLE = "LPSE_OPS_SITE"
LAB_HOME_VARIABLE = "LPSE_OPS_LAB_HOME"
# Folders under ./inventory that are material, not a site.
_NOT_SITES = {"example", "lab"}


def lab_home() -> Path:
    """Return the folder that holds the state of all labs."""
    return Path(os.environ.get(LAB_HOME_VARIABLE) or "/var/lib/lpse-ops/lab")


def find_inventory(ref: str | Path | None) -> Path:
    """Given what a person named (None: nothing), return the inventory folder.

    Raise UsageError if there is none or, with None, more than one.
    """
    ref = ref or os.environ.get(SITE_VARIABLE) or None
    if ref is None:
        return _only_one()
    name = str(ref)
    if name == "lab" or name.startswith("lab:"):
        return _lab(name.partition(":")[2] or "default")
    for folder in (Path(name).expanduser(), Path("inventory") / name):
        if folder.is_dir():
            return folder.resolve()
    if name == "example":
        return content_root() / "inventory" / "example"
    raise UsageError(
        _("There is no inventory '%(name)s'.") % {"name": name},
        hint=_("Give its folder, or one of: %(names)s.")
        % {"names": ", ".join([*_names(), "lab", "lab:NAME"])},
    )


def lab_of(folder: Path) -> str | None:
    """Given an inventory folder, return the name of the lab it belongs to, or None for a real site."""
    return folder.parent.name if (folder.parent / "lab.json").is_file() else None


def _lab(name: str) -> Path:
    folder = lab_home() / name / "site"
    try:
        up = folder.is_dir()
    except PermissionError:
        raise UsageError(
            _("The lab '%(lab)s' belongs to root.") % {"lab": name}, hint=_("Run the same command with sudo.")
        ) from None
    if not up:
        raise UsageError(
            _("There is no lab '%(lab)s'.") % {"lab": name},
            hint=_("Start it with `lpse-ops lab up --name %(lab)s`.") % {"lab": name},
        )
    return folder


def _names() -> list[str]:
    return sorted(
        p.parent.name for p in Path("inventory").glob("*/hosts.yml") if p.parent.name not in _NOT_SITES
    )


def _labs() -> list[str]:
    try:
        return sorted(f"lab:{p.parent.name}" for p in lab_home().glob("*/lab.json"))
    except PermissionError:
        return []


def _only_one() -> Path:
    found = [*_names(), *_labs()]
    if len(found) == 1:
        return find_inventory(found[0])
    if found:
        raise UsageError(
            _("Which site? There are: %(names)s.") % {"names": ", ".join(found)},
            hint=_("Name one with --site, or set %(name)s.") % {"name": SITE_VARIABLE},
        )
    raise UsageError(
        _("Which site? There is no inventory here."),
        hint=_("Name its folder with --site. A new site begins as a copy of %(example)s.")
        % {"example": content_root() / "inventory" / "example"},
    )
