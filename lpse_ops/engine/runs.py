"""Where a controller keeps the journals of a site, and how runs are named."""

import os
import secrets
import time
from pathlib import Path

from lpse_ops.errors import UsageError
from lpse_ops.i18n import _
from lpse_ops.site import Site
from lpse_ops.state import state_folder


def runs_folder(site: Site) -> Path:
    """Return the folder of this controller's journals of `site`.

    It lies under `state_folder()`; a lab keeps it with the lab, one a controller, so that it goes with it.
    """
    if site.lab is not None and "LPSE_OPS_STATE" not in os.environ:
        return site.folder.parent / "state" / os.environ.get("LPSE_OPS_LAB_CONTROLLER", "controller")
    return state_folder() / "runs" / site.name


def new_run(procedure: str) -> str:
    """Return a run id that sorts by time and names its procedure: ``20261124T034020Z-failover-1f3a``."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{procedure}-{secrets.token_hex(2)}"


def runs(folder: Path) -> list[str]:
    """Given a state folder, return the ids of the runs whose journals lie there, oldest first."""
    return sorted(path.stem for path in folder.glob("*.jsonl"))


def latest_run(folder: Path, run: str | None) -> str:
    """Given a run id or None, return that run or the newest one. Raise UsageError if there is none."""
    known = runs(folder)
    if run is None and known:
        return known[-1]
    if run in known and run is not None:
        return run
    if run is None:
        raise UsageError(
            _("There is no run to go on with: %(folder)s holds no journal.") % {"folder": folder},
            hint=_(
                "`lpse-ops status` shows the site; `lpse-ops failover --plan` shows what a failover would do."
            ),
        )
    raise UsageError(
        _("There is no run named %(run)s here.") % {"run": run},
        hint=_("Known runs: %(runs)s.") % {"runs": ", ".join(known) or _("none")},
    )
