"""Where a fault sweep kills or halts the controller: ``LPSE_OPS_KILL_AT=before|begun|during|inside|after:STEP``.

``before``: before the intent is written. ``begun``: the intent is written (and mirrored, if the step is irreversible),
the act is not begun. ``during``: 50 ms after the act began. ``inside``: the act is done, its outcome is not written.
``after``: the outcome is written. The process ends by SIGKILL, as it would when the workstation loses its power:
nothing is cleaned up. ``LPSE_OPS_HALT_AT`` stops it there instead (SIGSTOP), as a workstation that sleeps does.
"""

import os
import signal
import threading

_DURING_S = 0.05


def kill_here(moment: str, step_id: str) -> None:
    """Given the moment and the step that the engine has reached, die or halt if the environment asks for it."""
    here = f"{moment}:{step_id}"
    if moment == "begun" and os.environ.get("LPSE_OPS_KILL_AT") == f"during:{step_id}":
        threading.Timer(_DURING_S, os.kill, (os.getpid(), signal.SIGKILL)).start()
    if os.environ.get("LPSE_OPS_KILL_AT") == here:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("LPSE_OPS_HALT_AT") == here:
        os.kill(os.getpid(), signal.SIGSTOP)
