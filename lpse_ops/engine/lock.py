"""One run a site: the lock on the repository, held by an open connection, and the fencing token it hands out."""

import getpass
import os
import socket
import time
from typing import Self

from lpse_ops.errors import LockHeld, StepFailed
from lpse_ops.i18n import _
from lpse_ops.remote import NodeChannel, Remote
from lpse_ops.waiting import scaled

_ANSWER_S = 10.0
_VANISHED_S = 16.0  # sshd frees the lock of a controller that vanished within 14 s
_EVERY_S = 0.5


class SiteLock:
    """The lock, held as long as the connection lives. `token` is higher than that of every holder before."""

    def __init__(self, remote: Remote, host: str, run: str, above: int = 0) -> None:
        """Take the lock on `host` for `run`, with a token higher than `above` (the highest that hosts have seen).

        A connection of the same run may be one that died with its controller: it is waited for. Raise LockHeld,
        naming the holder, if another run has the lock or this one still has it then.
        """
        self.host = host
        verb = ["lock", "--run", run, "--holder", holder(), "--above", str(above)]
        deadline = time.monotonic() + scaled(_VANISHED_S)
        while True:
            self._channel: NodeChannel = remote.channel(host, verb)
            try:
                reply = self._channel.read_reply(_ANSWER_S)
                break
            except LockHeld as held:
                self._channel.close()
                if held.run != run or time.monotonic() > deadline:
                    raise
                time.sleep(_EVERY_S)
            except BaseException:
                self._channel.close()
                raise
        if "token" not in reply:
            self._channel.close()
            raise StepFailed(
                _("%(host)s did not hand out the lock: %(reply)s") % {"host": host, "reply": reply},
                hint=_("Look at the host's console, then run the command again."),
            )
        self.token = int(reply["token"])

    @property
    def held(self) -> bool:
        """Return whether the lock is still held, as far as this end knows."""
        return self._channel.alive

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_args: object) -> None:
        self._channel.close()


def holder() -> str:
    """Return who holds a lock taken here: ``user@workstation pid``, safe for a command line."""
    return f"{getpass.getuser()}@{socket.gethostname()}:{os.getpid()}"
