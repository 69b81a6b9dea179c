"""Where a fault sweep kills the controller: ``LPSE_OPS_KILL_AT=before|inside|after:STEP``.

``before``: before the intent is written. ``inside``: the act is done, its outcome is not written. ``after``:
the outcome is written. The process ends by SIGKILL, as it would when the workstation loses its power: nothing
is cleaned up.
"""

import os
import signal


def kill_here(moment: str, step_id: str) -> None:
    """Given the moment and the step that the engine has reached, die if the environment asks for it."""
    if os.environ.get("LPSE_OPS_KILL_AT") == f"{moment}:{step_id}":
        os.kill(os.getpid(), signal.SIGKILL)
