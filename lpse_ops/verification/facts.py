"""What a test sees of a host: its name, its role from the epoch record, and the report by path."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lpse_ops.i18n import _
from lpse_ops.verification.expected import Expected

ACTIVE, STANDBY, CLOSED, REPOSITORY = "active", "standby", "closed", "repository"


@dataclass(frozen=True)
class Host:
    """One host as it was seen; `other` and `all` reach the other hosts of this verification."""

    name: str
    address: str
    role: str
    report: Mapping[str, Any]
    expected: Expected
    site: "dict[str, Host]" = field(repr=False, default_factory=dict)

    def see(self, *path: str) -> Any:
        """Return the part of the report at `path`. Raise AssertionError, with the reason, if it was not seen."""
        value: Any = self.report
        for step in path:
            if isinstance(value, Mapping) and step not in value and "error" in value:
                raise AssertionError(self.unseen(path, str(value["error"])))
            if not isinstance(value, Mapping) or step not in value:
                raise AssertionError(self.unseen(path, _("it is not there")))
            value = value[step]
        return value

    def unseen(self, path: tuple[str, ...], why: str) -> str:
        """Return the sentence for a fact that could not be seen."""
        return _(
            "%(host)s: %(fact)s could not be seen (%(why)s); finish `lpse-ops provision %(host)s` and look again."
        ) % {"host": self.name, "fact": ".".join(path), "why": why}

    @property
    def record(self) -> Mapping[str, Any] | None:
        """The host's own epoch record; None when it has none."""
        return record_of(self.report)


def _with(host: Host, role: str) -> bool:
    return any(other.role == role for other in host.site.values())


# Names of fixtures -> the hosts that a test with that fixture is made for.
KINDS: dict[str, Callable[[Host], bool]] = {
    "host": lambda host: True,
    "node": lambda host: host.role != REPOSITORY,
    "data": lambda host: host.role in {ACTIVE, STANDBY},
    "active": lambda host: host.role == ACTIVE,
    "standby": lambda host: host.role == STANDBY,
    "closed": lambda host: host.role == CLOSED,
    "shut": lambda host: host.role in {STANDBY, CLOSED},
    # A standby that is verified together with the active node.
    "pair": lambda host: host.role == STANDBY and _with(host, ACTIVE),
    # Hosts that take samples of the active node, once there is a standby.
    "watcher": lambda host: host.role in {STANDBY, REPOSITORY} and _with(host, STANDBY),
    "sampler": lambda host: host.role == REPOSITORY and _with(host, STANDBY),
}


def record_of(report: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Given a host's report, return its epoch record; None when it has none."""
    guard = report.get("guard", {})
    for source in (guard.get("record"), (guard.get("observe") or {}).get("record")):
        if not isinstance(source, Mapping):
            continue
        inner = source.get("record", source)
        if isinstance(inner, Mapping) and "epoch" in inner:
            return inner
    return None


def hosts_of(expected: Expected, reports: Mapping[str, Any]) -> dict[str, Host]:
    """Given the reports of the selected hosts, return the hosts with the roles that the newest record gives them."""
    records = [record for report in reports.values() if (record := record_of(report))]
    newest = max(records, key=lambda record: int(record["epoch"]), default=None)
    found: dict[str, Host] = {}
    for name, report in reports.items():
        role = REPOSITORY if name == expected.repository else _role(name, report, newest)
        found[name] = Host(name, expected.hosts[name], role, report, expected, found)
    return found


def _role(name: str, report: Mapping[str, Any], newest: Mapping[str, Any] | None) -> str:
    if newest is None:
        return CLOSED
    if newest["active"] == name:
        return ACTIVE
    standby = report.get("guard", {}).get("lock2", {}).get("standby_signal")
    return STANDBY if standby else CLOSED


def find(host: "Host", what: str, found: object, expected: object, todo: str | None = None) -> str:
    """Return one sentence: the host, what was looked at, what was found, what is expected, what to do.

    `what` and `todo` are translated already; `todo` left out: provision again.
    """
    return _("%(host)s: %(what)s is %(found)s, expected %(expected)s; %(todo)s") % {
        "host": host.name,
        "what": what,
        "found": _shown(found),
        "expected": _shown(expected),
        "todo": todo or provision_again(host),
    }


def provision_again(host: Host) -> str:
    """Return what to do when a host has left what the inventory says."""
    return _("run `lpse-ops provision %(host)s`.") % {"host": host.name}


def _shown(value: object) -> str:
    if value is None or (hasattr(value, "__len__") and len(value) == 0):
        return _("nothing")
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(sorted(map(str, value)))
    return str(value)
