"""Waiting with a deadline: the only way this package waits for something.

Every deadline is multiplied by the environment variable ``LPSE_OPS_WAIT_SCALE`` (default 1), so that a slow machine
needs one knob and no edits.
"""

import os
import time
from collections.abc import Callable

from lpse_ops.errors import UsageError
from lpse_ops.i18n import _

SCALE_VARIABLE = "LPSE_OPS_WAIT_SCALE"


def scaled(seconds: float) -> float:
    """Given a deadline in seconds, return it multiplied by ``LPSE_OPS_WAIT_SCALE``.

    Raise UsageError if the variable is not a number above 0.
    """
    text = os.environ.get(SCALE_VARIABLE, "1")
    try:
        scale = float(text)
    except ValueError:
        scale = 0.0
    if not 0 < scale < float("inf"):
        raise UsageError(
            _("%(name)s is '%(value)s'; it must be a number above 0.")
            % {"name": SCALE_VARIABLE, "value": text},
            hint=_("Unset it, or set it to 2 to wait twice as long."),
        )
    return seconds * scale


def wait_until(predicate: Callable[[], object], seconds: float, every: float = 0.1) -> bool:
    """Given a predicate, ask it every `every` seconds until it is true; return whether it became true in time.

    `seconds` is the deadline before scaling. The predicate is asked at least once, and once more at the deadline.
    """
    deadline = time.monotonic() + scaled(seconds)
    while not predicate():
        left = deadline - time.monotonic()
        if left <= 0:
            return bool(predicate())
        time.sleep(min(every, left))
    return True
