"""The mirror: every event also goes to ``lpse-node journal-append`` on other machines, each over one warm
channel.
"""

import queue
import threading
from collections.abc import Sequence

from lpse_ops.engine.journal import Event
from lpse_ops.errors import LpseError
from lpse_ops.i18n import _
from lpse_ops.remote import NodeChannel
from lpse_ops.waiting import wait_until

_ANSWER_S = 10.0  # how long one line may take to be fsynced on the other side


class Mirror:
    """One mirror host.

    Lines are sent in order by a thread; `acknowledged` tells how far the other side is on disk.
    """

    def __init__(self, host: str, channel: NodeChannel, backlog: Sequence[str] = ()) -> None:
        self.host = host
        self.failure: str | None = None
        self._channel = channel
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._sent = 0
        self._acknowledged = 0
        self._changed = threading.Condition()
        for line in backlog:
            self._put(line)
        self._thread = threading.Thread(target=self._work, name=f"mirror-{host}", daemon=True)
        self._thread.start()

    def listener(self, _event: Event, line: str) -> None:
        """Take one event's line (a journal listener)."""
        self._put(line)

    @property
    def sent(self) -> int:
        """How many events were taken so far."""
        with self._changed:
            return self._sent

    def has(self, sent: int) -> bool:
        """Return whether the other side has that many events on disk."""
        with self._changed:
            return self._acknowledged >= sent

    def close(self) -> None:
        """Send what is left and close the channel."""
        self._lines.put(None)
        self._thread.join(_ANSWER_S)
        self._channel.close()

    def _put(self, line: str) -> None:
        with self._changed:
            self._sent += 1
        self._lines.put(line)

    def _work(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._channel.send_line(line.rstrip("\n"))
                reply = self._channel.read_reply(_ANSWER_S)
                problem = None if "seq" in reply else str(reply)
            except (LpseError, OSError, EOFError) as error:
                problem = str(error) or type(error).__name__
            with self._changed:
                if problem is None:
                    self._acknowledged += 1
                else:
                    self.failure = problem
                self._changed.notify_all()
            if problem is not None:
                return


def unacknowledged(mirrors: Sequence[Mirror], seconds: float) -> str:
    """Return "" once at least one mirror has all events so far on disk, else why none has, after at most `seconds`.

    All are waited for at once: one that hangs costs nothing while another answers, and nobody waits for failed ones.
    """
    wanted = [(mirror, mirror.sent) for mirror in mirrors]

    def stored() -> bool:
        return any(mirror.has(sent) for mirror, sent in wanted)

    def settled() -> bool:
        return stored() or all(mirror.failure is not None for mirror in mirrors)

    if wait_until(settled, seconds, every=0.005) and stored():
        return ""
    reasons = [f"{mirror.host}: {mirror.failure or _('no answer in time')}" for mirror in mirrors]
    return "; ".join(reasons) or _("no mirror is connected")


def everywhere(mirrors: Sequence[Mirror], seconds: float) -> bool:
    """Return whether all events so far are on disk on every mirror that still works, after at most `seconds`."""
    wanted = [(mirror, mirror.sent) for mirror in mirrors]
    return wait_until(
        lambda: all(mirror.has(sent) or mirror.failure is not None for mirror, sent in wanted),
        seconds,
        every=0.005,
    )
