"""Checks of an inventory that one value alone cannot fail: files against files, addresses against each other.

They work on the raw documents, so that their findings stand beside those of the model, all at once.
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lpse_ops.i18n import _
from lpse_ops.site import hostkeys
from lpse_ops.site.yamlfile import Document, Fault, Key

# As the model's NodeName: also the name of a replication slot.
_NAME = re.compile(r"[a-z][a-z0-9]{0,30}")
_GROUPS = ("nodes", "repository")


@dataclass
class Hosts:
    """What hosts.yml names: addresses by host, with the place of each."""

    document: Document
    nodes: dict[str, str] = field(default_factory=dict)
    repository: dict[str, str] = field(default_factory=dict)
    places: dict[str, Key] = field(default_factory=dict)
    node_names: set[str] = field(default_factory=set)
    """Also those whose address is at fault, so that one fault is not told twice."""

    @property
    def all(self) -> dict[str, str]:
        """Return the address of every host."""
        return self.nodes | self.repository


def read_hosts(document: Document, faults: list[Fault]) -> Hosts:
    """Given hosts.yml, return its hosts and add what is wrong with it to `faults`."""
    hosts = Hosts(document)
    if document.data is None:
        return hosts
    root: Key = ("all", "children") if document.get("all", "children") is not None else ()
    groups = document.get(*root)
    if not isinstance(groups, dict):
        faults.append(document.fault((), _("the groups are missing"), _("it holds `nodes` and `repository`")))
        return hosts
    for name in groups:
        if name not in _GROUPS:
            faults.append(
                document.fault(
                    (*root, name), _("this group is unknown"), _("only `nodes` and `repository` are read")
                )
            )
    hosts.nodes = _group(hosts, (*root, "nodes"), faults)
    hosts.node_names = set(document.get(*root, "nodes", "hosts") or ())
    hosts.repository = _group(hosts, (*root, "repository"), faults)
    if len(hosts.repository) > 1:
        faults.append(document.fault((*root, "repository"), _("too many entries"), _("name one repository")))
    for name in hosts.nodes.keys() & hosts.repository.keys():
        faults.append(
            document.fault(
                (*root, "repository", "hosts", name),
                _("this host is a node too"),
                _("the repository must be another machine: it is the third voter"),
            )
        )
    return hosts


def _group(hosts: Hosts, key: Key, faults: list[Fault]) -> dict[str, str]:
    document, found = hosts.document, {}
    entries = document.get(*key, "hosts")
    if not isinstance(entries, dict) or not entries:
        faults.append(
            document.fault(
                key, _("the group has no hosts"), _("name its hosts below `hosts:`, each with ansible_host")
            )
        )
        return {}
    for name, values in entries.items():
        place: Key = (*key, "hosts", name)
        if not _NAME.fullmatch(name):
            faults.append(
                document.fault(
                    place,
                    _("this cannot be the name of a host here"),
                    _("small letters and digits, a letter first"),
                )
            )
        address = values.get("ansible_host") if isinstance(values, dict) else None
        if address is None:
            faults.append(
                document.fault(place, _("ansible_host is missing"), _("give the address of the host"))
            )
            continue
        faults += [
            document.fault((*place, extra), _("this key is unknown"), _("only ansible_host may stand here"))
            for extra in values
            if extra != "ansible_host"
        ]
        if parsed(address) is None:
            faults.append(
                document.fault((*place, "ansible_host"), _("this is not an IPv4 address like 192.0.2.10"))
            )
            continue
        found[name] = str(address)
        hosts.places[name] = (*place, "ansible_host")
    return found


def parsed(value: Any) -> ipaddress.IPv4Address | None:
    """Given any value, return it as an address, or None."""
    try:
        return ipaddress.IPv4Address(value) if isinstance(value, str) else None
    except ValueError:
        return None


def cross_check(folder: Path, site: Document, hosts: Hosts, *, material: bool = True) -> list[Fault]:
    """Given the folder and its two documents, return what is wrong between them.

    `material`: the files that only setting hosts up takes (golden copy, package key) are looked for, too.
    """
    return [
        *_names(site, hosts),
        *_addresses(site, hosts),
        *_networks(site, hosts),
        *_ports(site),
        *_memory(site),
        *_packages(site),
        *_overlaps(site),
        *_files(folder, site, material),
        *hostkeys.check(folder, hosts.all),
    ]


def _names(site: Document, hosts: Hosts) -> Iterator[Fault]:
    named = site.get("lpse", "nodes")
    if not isinstance(named, dict) or not hosts.node_names:
        return
    for name in named.keys() - hosts.node_names:
        yield site.fault(
            ("lpse", "nodes", name),
            _("hosts.yml has no node of this name"),
            _("it has: %(names)s") % {"names": ", ".join(sorted(hosts.node_names))},
        )
    for name in hosts.nodes.keys() - named.keys():
        yield hosts.document.fault(
            hosts.places[name][:-1],
            _("site.yml has no node of this name"),
            _("add it below lpse.nodes, or remove it"),
        )


def _addresses(site: Document, hosts: Hosts) -> Iterator[Fault]:
    """No address may stand for two things."""
    taken: dict[str, str] = {}
    for name, address in hosts.all.items():
        if address in taken:
            yield hosts.document.fault(
                hosts.places[name], _taken(taken[address]), _("every host has its own")
            )
        taken.setdefault(address, name)
    nodes = site.get("lpse", "nodes")
    keys: list[tuple[Key, str]] = [(("lpse", "service", "address"), _("the service address"))]
    if isinstance(nodes, dict):
        keys += [
            (("lpse", "nodes", n, "bmc", "address"), _("the BMC of %(node)s") % {"node": n}) for n in nodes
        ]
    for key, what in keys:
        address = site.get(*key)
        if not isinstance(address, str):
            continue
        if address in taken:
            yield site.fault(key, _taken(taken[address]), _("it needs an address of its own"))
        taken.setdefault(address, what)


def _taken(by: str) -> str:
    return _("this address belongs to %(owner)s already") % {"owner": by}


def _networks(site: Document, hosts: Hosts) -> Iterator[Fault]:
    """The service address moves by ARP: it and the nodes must be in one network."""
    address, prefix = parsed(site.get("lpse", "service", "address")), site.get("lpse", "service", "prefix")
    if address is None or not isinstance(prefix, int) or not 8 <= prefix <= 30:
        return
    network = ipaddress.IPv4Network((address, prefix), strict=False)
    if address in {network.network_address, network.broadcast_address}:
        yield site.fault(
            ("lpse", "service", "address"),
            _("this is the network's own or its broadcast address"),
            _("take a free host address of %(network)s") % {"network": network},
        )
    for name, text in hosts.nodes.items():
        if parsed(text) not in network:
            yield hosts.document.fault(
                hosts.places[name],
                _("this node is outside the service's network %(network)s") % {"network": network},
                _("correct this address, or lpse.service.address and prefix"),
            )


def _ports(site: Document) -> Iterator[Fault]:
    taken = {22: "SSH", 80: "HTTP", 443: "HTTPS"}
    for key, owner in ((("lpse", "database", "port"), "PostgreSQL"), (("lpse", "instance", "port"), "SPSE")):
        port = site.get(*key)
        if port is None and owner == "PostgreSQL":
            port = 5432
        if isinstance(port, int) and port in taken:
            yield site.fault(
                key,
                _("this port belongs to %(owner)s already") % {"owner": taken[port]},
                _("choose a free port"),
            )
        elif isinstance(port, int):
            taken[port] = owner


def _memory(site: Document) -> Iterator[Fault]:
    heap, nodes = site.get("lpse", "instance", "heap_mb"), site.get("lpse", "nodes")
    if not isinstance(heap, int) or not isinstance(nodes, dict):
        return
    for name in nodes:
        memory = site.get("lpse", "nodes", name, "memory_mb")
        if isinstance(memory, int) and heap > memory * 3 // 4:
            yield site.fault(
                ("lpse", "instance", "heap_mb"),
                _("the Java heap takes more than three quarters of the memory of %(node)s") % {"node": name},
                _("at most %(limit)s leaves room for the database") % {"limit": memory * 3 // 4},
            )


def _packages(site: Document) -> Iterator[Fault]:
    if site.get("lpse", "packages", "source") != "store":
        return
    for name in ("store", "key"):
        if site.get("lpse", "packages", name) is None:
            yield site.fault(
                ("lpse", "packages", name),
                _("this key is missing"),
                _("`source: store` needs `store` and `key`"),
            )


def _overlaps(site: Document) -> Iterator[Fault]:
    folder, documents = site.get("lpse", "instance", "folder"), site.get("lpse", "instance", "documents")
    if not isinstance(folder, str) or not isinstance(documents, str):
        return
    one, other = Path(folder), Path(documents)
    if one == other or one in other.parents or other in one.parents:
        yield site.fault(
            ("lpse", "instance", "documents"),
            _("documents and application folder lie in each other"),
            _("keep them apart: the application folder is replaced as a whole, documents never"),
        )


def _files(folder: Path, site: Document, material: bool) -> Iterator[Fault]:
    keys: list[Key] = [("lpse", "access", "identity_file"), ("lpse", "service", "certificate")]
    if material:
        keys.append(("lpse", "instance", "golden_copy"))
    if material and site.get("lpse", "packages", "source") == "store":
        keys.append(("lpse", "packages", "key"))
    for key in keys:
        name = site.get(*key)
        if not isinstance(name, str):
            continue
        path = folder / Path(name).expanduser()
        if not path.is_file():
            yield site.fault(
                key,
                _("the file %(path)s does not exist") % {"path": path},
                _("put it there, or correct the name"),
            )
        elif key[-1] == "golden_copy" and not path.with_name(f"{path.name}.sha256").is_file():
            yield site.fault(
                key,
                _("its checksum %(name)s.sha256 is not beside it") % {"name": path.name},
                _("make it where the copy was taken: `sha256sum %(name)s > %(name)s.sha256`")
                % {"name": path.name},
            )


def check_secrets(document: Document, site: Document) -> Iterator[Fault]:
    """Given the decrypted vault and site.yml, yield what is wrong between them; values are never shown."""
    yield from _switch_secrets(document, site)
    role = site.get("lpse", "instance", "database_role") or "epns"
    if document.get("lpse_secrets", "database_password") in {role, "epns"}:
        yield document.fault(
            ("lpse_secrets", "database_password"),
            _("the database password is the published default"),
            _("choose a new one and set it in the live database too"),
        )
    key = document.get("lpse_secrets", "tls_key")
    if isinstance(key, str) and "PRIVATE KEY-----" not in key:
        yield document.fault(
            ("lpse_secrets", "tls_key"),
            _("this is not a private key in PEM form"),
            _("paste the whole file after `tls_key: |`, indented"),
        )


def _switch_secrets(document: Document, site: Document) -> Iterator[Fault]:
    """Every node's power switch has its secret, and no secret is left of one that is gone."""
    nodes = site.get("lpse", "nodes")
    if not isinstance(nodes, dict):
        return
    for key, way in (("bmc_passwords", "bmc"), ("fence_secrets", "fence")):
        secrets = document.get("lpse_secrets", key)
        given = set(secrets) if isinstance(secrets, dict) else set()
        with_it = {name for name in nodes if site.get("lpse", "nodes", name, way) is not None}
        # A fence agent may need none.
        for name in sorted(with_it - given) if way == "bmc" else ():
            yield document.fault(
                ("lpse_secrets", key, name), _("the BMC password of this node is missing"), _("add it")
            )
        for name in sorted(given - nodes.keys()):
            yield document.fault(
                ("lpse_secrets", key, name), _("site.yml has no node of this name"), _("remove it")
            )
        for name in sorted((given & nodes.keys()) - with_it):
            yield document.fault(
                ("lpse_secrets", key, name),
                _("this node has no `%(key)s` in site.yml") % {"key": way},
                _("remove it"),
            )
