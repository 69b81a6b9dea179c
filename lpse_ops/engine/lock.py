"""One run a site: the lock on the repository, held by an open connection, and the fencing token it hands out."""

import getpass
import os
import socket
from typing import Self

from lpse_ops.errors import StepFailed
from lpse_ops.i18n import _
from lpse_ops.remote import Remote

_ANSWER_S = 10.0


class SiteLock:
    """The lock, held as long as the connection lives. `token` is higher than that of every holder before."""

    def __init__(self, remote: Remote, host: str, run: str) -> None:
        """Take the lock on `host` for `run`. Raise LockHeld, naming the holder, if another run has it."""
        self.host = host
        self._channel = remote.channel(host, ["lock", "--run", run, "--holder", holder()])
        try:
            reply = self._channel.read_reply(_ANSWER_S)
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_args: object) -> None:
        self._channel.close()


def holder() -> str:
    """Return who holds a lock taken here: ``user@workstation pid``, safe for a command line."""
    return f"{getpass.getuser()}@{socket.gethostname()}:{os.getpid()}"
