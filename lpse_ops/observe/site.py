"""A look at the whole site at one moment: every host and every BMC, in parallel."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from lpse_ops import __version__
from lpse_ops.errors import LpseError, VersionSkewError
from lpse_ops.i18n import _
from lpse_ops.observe.facts import NodeState
from lpse_ops.observe.power import PowerReading, reading
from lpse_ops.remote import Remote

if TYPE_CHECKING:
    from lpse_ops.site import Site

OBSERVE_DEADLINE_S = 5.0


@dataclass(frozen=True)
class HostView:
    """What was seen of one host.

    `state` is None where it could not be seen; `error` then says why and `hint` what to do. `seconds` is the
    round trip, `offset_s` the host's clock minus the controller's (known to half of `seconds`). `reached`: its kernel
    answered on the SSH port, whatever came of it.
    """

    host: str
    state: NodeState | None
    seconds: float = 0.0
    offset_s: float | None = None
    kind: str | None = None
    error: str | None = None
    hint: str | None = None
    reached: bool = False


@dataclass(frozen=True)
class SiteObservation:
    """Everything seen of a site at `observed_at` (controller's clock): hosts by name, power by node."""

    observed_at: float
    seconds: float
    hosts: Mapping[str, HostView] = field(default_factory=dict)
    power: Mapping[str, PowerReading] = field(default_factory=dict)

    def state(self, host: str) -> NodeState | None:
        """Given a host, return its state, None if it was not seen."""
        view = self.hosts.get(host)
        return view.state if view else None

    def unseen(self) -> dict[str, str]:
        """Return why, for every host and every ``power of NODE`` that could not be seen."""
        hosts = {view.host: view.error or "?" for view in self.hosts.values() if view.state is None}
        power = {
            _("power of %(node)s") % {"node": node}: power.error or "?"
            for node, power in self.power.items()
            if power.state is None
        }
        return hosts | power


Answers = queue.SimpleQueue[HostView | PowerReading | BaseException]


def observe_site(
    site: "Site",
    fleet: Remote,
    hosts: Sequence[str] | None = None,
    *,
    power: bool = True,
    timeout_s: float = 5.0,
) -> SiteObservation:
    """Given a site, a fleet and host names (None: all), look at everything at once.

    Connects where there is no connection yet; does not wait for a node whose power reads off. Never raises
    for a host or BMC that does not answer: the reason is in the result.
    """
    names = tuple(site.hosts) if hosts is None else tuple(hosts)
    nodes = (
        [name for name in names if name in site.nodes and site.nodes[name].has_power_switch] if power else []
    )
    at, started = time.time(), time.monotonic()
    answers: Answers = queue.SimpleQueue()
    for node in nodes:
        _aside(answers, partial(reading, site, node, remote=fleet))
    for name in names:
        _aside(answers, partial(_look, fleet, name, timeout_s))
    views: dict[str, HostView] = {}
    readings: dict[str, PowerReading] = {}
    while len(readings) < len(nodes) or not all(
        _settled(name, views, readings, fleet.reached(name, started)) for name in names
    ):
        answer = answers.get()
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, HostView):
            views[answer.host] = answer
        else:
            readings[answer.node] = answer
    found = {name: views.get(name) or _powered_off(name) for name in names}
    in_order = {
        name: replace(view, reached=view.state is not None or fleet.reached(name, started))
        for name, view in found.items()
    }
    return SiteObservation(at, time.monotonic() - started, in_order, {node: readings[node] for node in nodes})


def _settled(
    host: str, views: Mapping[str, HostView], readings: Mapping[str, PowerReading], reached: bool
) -> bool:
    """A host has answered, or its power reads off: then nobody waits for it (it would take seconds to time out), unless
    something there has answered all the same.
    """
    off = host in readings and readings[host].state == "off"
    return host in views or (off and not reached)


def _powered_off(host: str) -> HostView:
    return HostView(
        host,
        None,
        kind="UnreachableError",
        error=_("%(host)s has no power.") % {"host": host},
        hint=_(
            "Find out why before you switch it on; its return guard keeps it closed if another node took over."
        ),
    )


def _aside(answers: Answers, look: Callable[[], HostView | PowerReading]) -> None:
    """Look in a daemon thread, not a pool: a dead host's connection holds up neither the others nor the exit."""

    def work() -> None:
        try:
            answers.put(look())
        except BaseException as error:  # noqa: BLE001 - it is raised where the answers are read
            answers.put(error)

    threading.Thread(target=work, daemon=True).start()


def _look(fleet: Remote, host: str, timeout_s: float) -> HostView:
    failure = fleet.open([host], timeout_s).get(host)
    if failure is not None:
        return _unseen(host, failure)
    return _or_unseen(host, lambda: _ask(fleet, host))


def _ask(fleet: Remote, host: str) -> HostView:
    before = time.time()
    reply = fleet.node(host, ["observe"], timeout_s=OBSERVE_DEADLINE_S)
    version = reply.data.get("version")
    if version != __version__:
        raise VersionSkewError(
            _("lpse-node on %(host)s is of version %(theirs)s, this lpse-ops of %(ours)s.")
            % {"host": host, "theirs": version, "ours": __version__},
            hint=_("Bring the host to this version: lpse-ops provision %(host)s") % {"host": host},
        )
    state = NodeState.parse(dict(reply.data), host)
    return HostView(host, state, reply.seconds, state.time - (before + reply.seconds / 2))


def _or_unseen(host: str, look: Callable[[], HostView]) -> HostView:
    try:
        return look()
    except LpseError as error:
        return _unseen(host, error)


def _unseen(host: str, error: LpseError) -> HostView:
    told = " ".join((error.message, *error.reasons))
    return HostView(host, None, kind=type(error).__name__, error=told, hint=error.hint or None)
