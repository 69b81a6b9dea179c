"""A fake of the hosts for unit tests of pure logic: scripted replies, every call recorded."""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from lpse_ops.errors import InternalError, LpseError, UnreachableError
from lpse_ops.remote import NodeReply

Answer = Mapping[str, Any] | LpseError | Callable[["Call"], Mapping[str, Any]]


@dataclass(frozen=True)
class Call:
    """One verb as it was called."""

    host: str
    argv: tuple[str, ...]
    stdin: str = ""


@dataclass
class FakeFleet:
    """A `lpse_ops.remote.Remote` that answers from a script.

    `script(host, verb, *answers)` queues answers for a verb: a mapping is returned, an error is raised, a
    function is called with the `Call`. The last answer of a verb stays. `dead` hosts cannot be reached.
    `calls` holds what was asked, in order.
    """

    dead: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    channels: list["FakeChannel"] = field(default_factory=list)
    _answers: dict[tuple[str, str], deque[Answer]] = field(default_factory=lambda: defaultdict(deque))

    def script(self, host: str, verb: str, *answers: Answer) -> Self:
        """Given a host, a verb and its answers in order, queue them and return itself."""
        self._answers[host, verb].extend(answers)
        return self

    def verbs(self, host: str) -> list[str]:
        """Return the verbs that a host was asked for, in order."""
        return [call.argv[0] for call in self.calls if call.host == host]

    def open(self, hosts: Sequence[str], timeout_s: float = 5.0) -> dict[str, LpseError]:
        """Return a reason for each of `hosts` that is dead."""
        return {host: _gone(host) for host in hosts if host in self.dead}

    def reached(self, host: str, since: float) -> bool:
        """Return whether a host is not dead."""
        return host not in self.dead

    def node(
        self, host: str, verb_argv: Sequence[str], *, stdin: str = "", timeout_s: float = 30.0
    ) -> NodeReply:
        """Return or raise the next answer of the script; InternalError if there is none."""
        call = Call(host, tuple(verb_argv), stdin)
        self.calls.append(call)
        if host in self.dead:
            raise _gone(host)
        return NodeReply(self._next(call), 0, 0.0)

    def channel(self, host: str, verb_argv: Sequence[str]) -> "FakeChannel":
        """Return a channel whose replies are the script's answers for the verb."""
        call = Call(host, tuple(verb_argv))
        self.calls.append(call)
        if host in self.dead:
            raise _gone(host)
        opened = FakeChannel(call, self._next)
        self.channels.append(opened)
        return opened

    def close(self) -> None:
        """Close every channel."""
        for channel in self.channels:
            channel.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every channel."""
        self.close()

    def _next(self, call: Call) -> dict[str, Any]:
        queue = self._answers[call.host, call.argv[0]]
        if not queue:
            raise InternalError(f"no answer is scripted for {' '.join(call.argv)} on {call.host}")
        answer = queue.popleft() if len(queue) > 1 else queue[0]
        if isinstance(answer, LpseError):
            raise answer
        return dict(answer(call) if callable(answer) else answer)


@dataclass
class FakeChannel:
    """A `lpse_ops.remote.NodeChannel` of a `FakeFleet`; `sent` holds the lines it was given."""

    call: Call
    answer: Callable[[Call], dict[str, Any]]
    sent: list[str] = field(default_factory=list)
    alive: bool = True

    def send_line(self, line: str) -> None:
        """Record a line. Raise UnreachableError if the channel is closed."""
        if not self.alive:
            raise _gone(self.call.host)
        self.sent.append(line)

    def read_reply(self, timeout_s: float = 10.0) -> dict[str, Any]:
        """Return or raise the next answer of the script."""
        if not self.alive:
            raise _gone(self.call.host)
        return self.answer(self.call)

    def close(self) -> None:
        """Close the channel."""
        self.alive = False


def _gone(host: str) -> UnreachableError:
    return UnreachableError(f"{host} does not answer (scripted)")
