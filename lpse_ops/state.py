"""Where lpse-ops keeps what it writes on the controller: crash files, journals."""

import os
from pathlib import Path


def state_folder() -> Path:
    """Return the folder for state on this machine (not created here).

    ``LPSE_OPS_STATE`` if set; for root ``/var/lib/lpse-ops``; else ``lpse-ops`` under ``XDG_STATE_HOME`` or
    ``~/.local/state``.
    """
    if named := os.environ.get("LPSE_OPS_STATE"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/var/lib/lpse-ops")
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "lpse-ops"
