"""One run a site: the lock on the repository, then on the standby, held by open connections, and the fencing token.

The first host decides who runs; the lock on the others tells them the token before anything is done, so that they
refuse the late commands of a run that lost the lock.
"""

import getpass
import os
import socket
import time
from collections.abc import Sequence
from typing import Any, Self

from lpse_ops.errors import LockHeld, StepFailed
from lpse_ops.i18n import _
from lpse_ops.remote import NodeChannel, Remote
from lpse_ops.waiting import scaled

_ANSWER_S = 10.0
_TAKING_S = 130.0  # commands of the old run are waited for: up to 90 s for the token, 20 s for the lock
_VANISHED_S = 16.0  # sshd frees the lock of a controller that vanished within 14 s
_EVERY_S = 0.5


class SiteLock:
    """The lock, held as long as its connections live. `token` is higher than that of every holder before.

    `taken` tells, by host, from whom it was taken.
    """

    def __init__(
        self, remote: Remote, hosts: Sequence[str], run: str, above: int = 0, reason: str = ""
    ) -> None:
        """Take the lock on all `hosts` in their order for `run`, with a token higher than `above` (the highest seen).

        A connection of the same run may be one that died with its controller: it is waited for. With a `reason` the
        lock is taken from whoever holds it. Raise LockHeld, naming the holder, if another run has the lock or this
        one still has it then.
        """
        self.token = above
        self.taken: dict[str, Any] = {}
        self._channels: list[NodeChannel] = []
        try:
            for host in hosts:
                self._take(remote, host, run, reason)
        except BaseException:
            self._close()
            raise

    @property
    def held(self) -> bool:
        """Return whether the lock is still held everywhere, as far as this end knows."""
        return all(channel.alive for channel in self._channels)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_args: object) -> None:
        self._close()

    def _take(self, remote: Remote, host: str, run: str, reason: str) -> None:
        # One less than the token of the host before: where nothing higher was seen, all hosts get the same.
        above = self.token - 1 if self._channels else self.token
        verb = ["lock", "--run", run, "--holder", holder(), "--above", str(max(0, above))]
        if reason:
            verb += ["--reason", reason]
        deadline = time.monotonic() + scaled(_VANISHED_S)
        while True:
            channel = remote.channel(host, verb)
            try:
                reply = channel.read_reply(_TAKING_S if reason else _ANSWER_S)
                break
            except LockHeld as held:
                channel.close()
                # No name: its holder is about to let go.
                if held.run not in (run, None) or time.monotonic() > deadline:
                    raise
                time.sleep(_EVERY_S)
            except BaseException:
                channel.close()
                raise
        self._channels.append(channel)
        if "token" not in reply:
            raise StepFailed(
                _("%(host)s did not hand out the lock: %(reply)s") % {"host": host, "reply": reply},
                hint=_("Look at the host's console, then run the command again."),
            )
        self.token = max(self.token, int(reply["token"]))
        if reply.get("taken"):
            self.taken[host] = reply["taken"]

    def _close(self) -> None:
        for channel in reversed(self._channels):
            channel.close()


def holder() -> str:
    """Return who holds a lock taken here: ``user@workstation:pid``, safe for a command line."""
    return f"{getpass.getuser()}@{socket.gethostname()}:{os.getpid()}"
