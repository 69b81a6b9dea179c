"""The way to the hosts: what a caller sees of it, whether real (`remote.ssh`) or scripted (`remote.fake`).

Only modules of this package import paramiko or ansible_runner.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from lpse_ops.errors import LpseError

NODE_COMMAND = ("sudo", "-n", "/usr/local/sbin/lpse-node")
"""How ``lpse-hot`` calls the helper on a host; the verb and its words follow."""


@dataclass(frozen=True)
class NodeReply:
    """What a verb of ``lpse-node`` answered.

    `data` is its one line of JSON, `exit_code` 0 (anything else is raised), `seconds` the round trip as the
    controller saw it.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int = 0
    seconds: float = 0.0


class NodeChannel(Protocol):
    """A verb that lives on: ``lock`` (until closed), ``journal-append`` (a line in, a line out)."""

    def send_line(self, line: str) -> None:
        """Given a line without its newline, send it. Raise UnreachableError if the channel is gone."""

    def read_reply(self, timeout_s: float = 10.0) -> dict[str, Any]:
        """Return the next line of JSON. Raise what `Remote.node` raises if the verb ended instead."""

    @property
    def alive(self) -> bool:
        """Return whether the verb still runs, as far as this end knows."""

    def close(self) -> None:
        """Close the channel; the verb sees the end of its input and ends. Raise nothing."""


class Remote(Protocol):
    """Connections to the hosts of one site: one a host, opened in parallel, any number of channels each.

    All methods may be called from any thread.
    """

    def open(self, hosts: Sequence[str], timeout_s: float = 5.0) -> dict[str, LpseError]:
        """Given host names, connect to all at once and return the reason for each that could not be
        reached."""

    def reached(self, host: str, since: float) -> bool:
        """Return whether the kernel of a host has answered on its SSH port since then (`time.monotonic`), whatever came
        of it; a connection that was open already does not count.
        """

    def node(
        self, host: str, verb_argv: Sequence[str], *, stdin: str = "", timeout_s: float = 30.0
    ) -> NodeReply:
        """Given a host and a verb with its words, run it and return what it answered.

        Raise Refused with the host's reasons (exit 3), StepFailed (4), LockHeld (6), UnreachableError if the
        host cannot be reached *or the reply was lost* (then the state is unknown: observe again),
        InternalError if the answer is not the agreed one.
        """

    def channel(self, host: str, verb_argv: Sequence[str]) -> NodeChannel:
        """Given a host and a long-lived verb, start it and return its channel."""

    def close(self) -> None:
        """Close every connection. Raise nothing."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
