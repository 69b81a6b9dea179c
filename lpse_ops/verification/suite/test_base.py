"""Accounts, sudo, SSH server, firewall and the machine as a whole."""

from typing import Any

from lpse_ops import __version__
from lpse_ops.i18n import _
from lpse_ops.verification.facts import REPOSITORY, STANDBY, Host, find
from lpse_ops.verification.firewall import accepts
from lpse_ops.verification.plugin import cases

Cases = list[tuple[str, Any]]
SSHD = {
    "permitrootlogin": "no",
    "passwordauthentication": "no",
    "kbdinteractiveauthentication": "no",
    "permitemptypasswords": "no",
    "hostbasedauthentication": "no",
    "x11forwarding": "no",
    "allowtcpforwarding": "no",
    "permituserenvironment": "no",
}


def accounts(host: Host) -> Cases:
    names = ["lpse-admin", "lpse-hot", "lpse-voter"]
    if host.role != REPOSITORY:
        names.append(host.expected.user)
    if any(other.role == STANDBY for other in host.site.values()) and host.role != REPOSITORY:
        names.append("lpse-documents")  # made when the site is protected
    return [(name, name) for name in names]


def people(_host: Host) -> Cases:
    return [(name, name) for name in ("lpse-admin", "lpse-hot")]


def sshd_settings(_host: Host) -> Cases:
    return [(name, (name, value)) for name, value in SSHD.items()]


def test_name(host: Host) -> None:
    found = host.see("base", "hostname")
    assert found == host.name, find(host, _("the host name"), found, host.name)


def test_name_resolves(host: Host) -> None:
    # Without it every sudo waits for a name server that a closed server room does not have.
    assert host.see("base", "named_in_hosts"), find(host, _("its own name in /etc/hosts"), None, host.name)


def test_node_version(host: Host) -> None:
    found = host.see("base", "node_conf", "VERSION")
    assert found == __version__, find(host, _("the version of lpse-node"), found, __version__)


def test_node_settings(host: Host) -> None:
    conf = host.see("base", "node_conf")
    role = "repository" if host.role == REPOSITORY else "node"
    wanted = {"NODE": host.name, "SITE": host.expected.site, "ROLE": role}
    found = {key: conf.get(key) for key in wanted}
    assert found == wanted, find(host, "/etc/lpse-ops/node.conf", found, wanted)


def test_node_program_is_roots(host: Host) -> None:
    file = host.see("base", "node_program") or {}
    found = (file.get("user"), file.get("mode"))
    assert found == ("root", "0755"), find(host, _("owner and mode of lpse-node"), found, "root, 0755")


@cases(accounts)
def test_account(host: Host, case: str) -> None:
    account = host.see("base", "accounts", case)
    assert account, find(host, _("the account %(name)s") % {"name": case}, None, _("there"))
    assert not account["password_usable"], find(
        host, _("the password of %(name)s") % {"name": case}, _("usable"), _("locked; keys only")
    )


@cases(people)
def test_keys(host: Host, case: str) -> None:
    lines = host.see("base", "accounts", case, "keys")
    found = sorted(" ".join(line.split()[:2]) for line in lines)
    wanted = sorted(" ".join(key.split()[:2]) for key in host.expected.public_keys)
    assert found == wanted, find(host, _("the list of keys of %(name)s") % {"name": case}, found, wanted)


def test_admin_may_sudo(host: Host) -> None:
    found = host.see("base", "sudo", "lpse-admin")
    assert "NOPASSWD: ALL" in found, find(host, _("what lpse-admin may do"), found[-80:], "NOPASSWD: ALL")


def test_hot_may_only_lpse_node(host: Host) -> None:
    lines = [line.strip() for line in host.see("base", "sudo", "lpse-hot").splitlines()]
    found = [line for line in lines if line.startswith("(")]
    wanted = "/usr/local/sbin/lpse-node"
    good = bool(found) and all(line.endswith(f"NOPASSWD: {wanted}") for line in found)
    assert good, find(host, _("what lpse-hot may do as root"), found, wanted)


@cases(sshd_settings)
def test_sshd(host: Host, case: tuple[str, str]) -> None:
    name, wanted = case
    found = host.see("base", "sshd", name)
    assert found == wanted, find(host, _("%(name)s of sshd") % {"name": name}, found, wanted)


def test_firewall_unit(host: Host) -> None:
    unit = host.see("base", "firewall_unit")
    found = (unit["UnitFileState"], unit["ActiveState"])
    assert found == ("enabled", "active"), find(host, "nftables.service", found, "enabled, active")


def test_firewall_drops(host: Host) -> None:
    found = accepts(host.see("base", "firewall")).policy
    assert found == "drop", find(host, _("the policy of incoming packets"), found, "drop")


def test_firewall_public_ports(host: Host) -> None:
    found = accepts(host.see("base", "firewall")).for_all
    wanted = set() if host.role == REPOSITORY else {443}
    assert found == wanted, find(host, _("the set of ports open to everybody"), found, wanted)


def test_firewall_ssh_sources(host: Host) -> None:
    found = accepts(host.see("base", "firewall")).ssh_from
    wanted = set(host.expected.ssh_from)
    assert wanted <= found, find(host, _("the set of networks that reach SSH"), found, wanted)
    extra = found - wanted - set(host.expected.hosts.values())
    assert not extra, find(host, _("the set of further addresses that reach SSH"), extra, None)


def test_no_failed_units(host: Host) -> None:
    found = [line.split()[0] for line in host.see("base", "failed_units")]
    todo = _("read `journalctl -u UNIT` and start it again.")
    assert not found, find(host, _("the list of failed units"), found, None, todo)


def test_disk_has_room(host: Host) -> None:
    found = host.see("base", "free_percent")
    todo = _("make room: PostgreSQL stops when it cannot write.")
    assert found >= 10, find(host, _("free space of the root file system in %"), found, ">= 10", todo)


def test_private_folders(host: Host) -> None:
    found = {path: file["mode"] for path, file in host.see("base", "files").items() if file}
    for path, wanted in (("/var/lib/lpse-ops", "0750"), ("/etc/lpse-ops/status.key", "0600")):
        if path in found or path == "/var/lib/lpse-ops":
            assert found.get(path) == wanted, find(host, path, found.get(path), wanted)
