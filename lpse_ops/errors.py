"""Every error a user can meet, one tree, each class with its exit code (design.md, "Exit codes").

::

    LpseError                      what went wrong + hint: what to do next
    ├── InternalError          1   a fault of lpse-ops itself
    ├── UsageError             2   the command, the inventory or a key of it is wrong
    │   ├── InventoryError         all faults of an inventory at once, each with file and key
    │   ├── VaultError             the vault cannot be opened
    │   └── LabError               the lab cannot do this here (no root, names taken, no disk space)
    ├── Refused                3   nothing was changed; all reasons listed
    │   ├── UnreachableError       a host that is needed does not answer
    │   ├── HostKeyError           a host shows a key that known_hosts does not name
    │   ├── VersionSkewError       lpse-node on a host is of another version
    │   └── Superseded             a run that is resumed no longer fits the site; it is closed
    ├── StepFailed             4   stopped on the way; resumable
    ├── Incomplete             5   done, but the site is not yet protected
    ├── LockHeld               6   another run holds the lock
    ├── FaultsFound            7   verification or integrity found faults
    └── AttentionNeeded        8   read-only commands: something wants a person
"""

from collections.abc import Sequence
from typing import ClassVar


class LpseError(Exception):
    """Given what went wrong, an optional hint (the next step) and optional single findings."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", reasons: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.reasons = tuple(reasons)
        for reason in self.reasons:  # so that a traceback, where one is shown at all, tells them too
            self.add_note(reason)


class InternalError(LpseError):
    """A fault of lpse-ops itself."""


class UsageError(LpseError):
    """The command, the inventory or one of its keys is wrong."""

    exit_code = 2


class InventoryError(UsageError):
    """An inventory with faults; `reasons` holds all of them, each with file and key."""


class VaultError(UsageError):
    """The vault cannot be opened: wrong password, damaged file, or no password given."""


class LabError(UsageError):
    """The lab cannot do this on this machine."""


class Refused(LpseError):
    """Refused before anything changed; `reasons` holds all of them."""

    exit_code = 3


class UnreachableError(Refused):
    """A host that is needed does not answer."""


class HostKeyError(Refused):
    """A host shows a key that the site's known_hosts does not name."""


class VersionSkewError(Refused):
    """``lpse-node`` on a host is of another version than this lpse-ops."""


class Superseded(Refused):
    """A run that was to go on no longer fits the site; it is closed, nothing was done in its name."""


class StepFailed(LpseError):
    """A step failed; the run can be resumed."""

    exit_code = 4


class Incomplete(LpseError):
    """Done but incomplete: serving, not yet protected."""

    exit_code = 5


class LockHeld(LpseError):
    """A run holds the lock of the site: `run`, if it is known."""

    exit_code = 6
    run: str | None = None


class FaultsFound(LpseError):
    """Verification or an integrity check found faults; `reasons` holds them."""

    exit_code = 7


class AttentionNeeded(LpseError):
    """A read-only command found something that wants a person."""

    exit_code = 8
