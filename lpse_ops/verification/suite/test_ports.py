"""Every listening socket is a wanted one, and every wanted one listens."""

from dataclasses import dataclass
from typing import Any

from lpse_ops.i18n import _
from lpse_ops.verification.facts import ACTIVE, CLOSED, REPOSITORY, Host, find
from lpse_ops.verification.plugin import cases

EVERYWHERE = {"0.0.0.0", "*", "::"}  # noqa: S104 - compared, not bound
LOOPBACK = {"127.0.0.1", "::1"}


@dataclass(frozen=True)
class Wanted:
    """A socket that must listen: on one of `addresses`, by a process whose name starts with `process`."""

    protocol: str
    port: int
    addresses: frozenset[str]
    process: str

    def is_(self, socket: dict[str, Any]) -> bool:
        return (
            (socket["protocol"], socket["port"]) == (self.protocol, self.port)
            and socket["address"] in self.addresses
            and socket["process"].startswith(self.process)
        )


def wanted(host: Host) -> list[tuple[str, Wanted]]:
    expected = host.expected
    found = [("ssh", Wanted("tcp", 22, frozenset(EVERYWHERE), "sshd"))]
    if host.role == REPOSITORY:
        return found
    found.append(("https", Wanted("tcp", 443, frozenset(EVERYWHERE), "apache2")))
    if host.role == CLOSED:
        return found
    found += [
        ("database-local", Wanted("tcp", expected.database_port, frozenset(LOOPBACK), "postgres")),
        ("database-peers", Wanted("tcp", expected.database_port, frozenset({host.address}), "postgres")),
    ]
    if host.role == ACTIVE:
        addresses = frozenset({expected.app_address, f"::ffff:{expected.app_address}"})
        found.append(("application", Wanted("tcp", expected.app_port, addresses, "java")))
    return found


def is_usual(host: Host, socket: dict[str, Any]) -> bool:
    """Tell whether a socket is one that may listen: a wanted one, or chrony's own control socket on loopback."""
    chrony = socket["protocol"] == "udp" and socket["port"] == 323 and socket["address"] in LOOPBACK
    return chrony or any(each.is_(socket) for _name, each in wanted(host))


def shown(socket: dict[str, Any]) -> str:
    return f"{socket['address']}:{socket['port']}/{socket['protocol']} ({socket['process']}, {socket['pid']})"


@cases(wanted)
def test_listens(host: Host, case: Wanted) -> None:
    found = [
        shown(s) for s in host.see("sockets") if s["port"] == case.port and s["protocol"] == case.protocol
    ]
    good = any(case.is_(socket) for socket in host.see("sockets"))
    aim = f"{'|'.join(sorted(case.addresses))}:{case.port}/{case.protocol} ({case.process})"
    what = _("the listener at port %(port)s") % {"port": case.port}
    assert good, find(host, what, found, aim, _("start the service, or run `lpse-ops provision`."))


def extra(host: Host, protocol: str) -> list[str]:
    return [shown(s) for s in host.see("sockets") if s["protocol"] == protocol and not is_usual(host, s)]


def test_no_other_tcp_port(host: Host) -> None:
    found = extra(host, "tcp")
    todo = _("stop what listens there, or find out who started it.")
    assert not found, find(host, _("the list of further TCP listeners"), found, None, todo)


def test_no_other_udp_port(host: Host) -> None:
    found = extra(host, "udp")
    todo = _("stop what listens there, or find out who started it.")
    assert not found, find(host, _("the list of further UDP listeners"), found, None, todo)


def test_no_plain_http(node: Host) -> None:
    found = [
        shown(s) for s in node.see("sockets") if s["protocol"] == "tcp" and s["port"] in {80, 8080, 8009}
    ]
    assert not found, find(node, _("the list of unencrypted web listeners"), found, None)


def test_application_is_local(node: Host) -> None:
    app = [s for s in node.see("sockets") if s["port"] == node.expected.app_port]
    found = [shown(s) for s in app if s["address"].removeprefix("::ffff:") not in LOOPBACK]
    assert not found, find(node, _("the list of application ports open to the network"), found, None)
