"""A valid inventory loads; every malformed one is refused with the place, the reason and no traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lpse_ops.errors import InventoryError, UsageError, VaultError
from lpse_ops.site import load_site
from tests.support.inventory import SETTINGS, VAULT, make_inventory


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    return make_inventory(tmp_path / "office")


def edit(folder: Path, name: str, *changes: tuple[str, str]) -> None:
    path = folder / name
    text = path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text)


def faults(folder: Path) -> list[str]:
    with pytest.raises(InventoryError) as caught:
        load_site(folder)
    assert caught.value.hint
    return list(caught.value.reasons)


def test_valid(inventory: Path) -> None:
    site = load_site(inventory)
    assert site.name == "example"
    assert site.hosts == {"node1": "192.0.2.11", "node2": "192.0.2.12", "repository1": "192.0.2.30"}
    bmc = site.nodes["node2"].bmc
    assert bmc is not None
    assert bmc.address == "192.0.2.22"
    assert site.nodes["node1"].address == "192.0.2.11"
    assert site.repository.name == "repository1"
    assert site.other("node1") == "node2"
    assert site.secrets.bmc_passwords["node1"].get_secret_value() == "bmc-one"
    assert site.secrets.tls_key.get_secret_value().startswith("-----BEGIN PRIVATE KEY-----\n")
    assert site.known_hosts == inventory / "known_hosts"
    assert site.identity_file == inventory / "ssh" / "id_ed25519"
    assert site.lab is None
    assert site.schema_version == 1


def test_frozen_and_silent_about_secrets(inventory: Path) -> None:
    site = load_site(inventory)
    with pytest.raises(ValueError, match="frozen"):
        site.name = "other"
    assert "bmc-one" not in repr(site) + repr(site.secrets) + str(site.model_dump())


def test_without_secrets(inventory: Path) -> None:
    (inventory / ".vault-password").unlink()
    site = load_site(inventory, secrets=False)
    with pytest.raises(UsageError):
        _ = site.secrets


def test_unknown_node(inventory: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_site(inventory).other("node3")
    assert "node1, node2" in caught.value.hint


def test_lab_is_known_by_its_file(tmp_path: Path) -> None:
    folder = make_inventory(tmp_path / "mylab" / "site")
    (tmp_path / "mylab" / "lab.json").write_text("{}")
    assert load_site(folder).lab == "mylab"


# What is changed in site.yml, and what the one fault must say: key, line not of interest here.
ONE_FAULT = [
    ("  name: example", "  nmae: example", "lpse.nmae: this key is unknown -> did you mean `name`?"),
    ("  schema: 1", "  schema: 2", "lpse.schema: this value is not allowed -> allowed: 1"),
    ("  name: example", "  name: Example Site", "lpse.name: this text has characters that are not allowed"),
    ("  name: example", "  name: 12", "lpse.name: this must be text"),
    ("  name: example", "  name: '{{ x }}'", "lpse.name: templating ('{{') is not read here"),
    ("  name: example", "  name: {{ x }}", "templating ('{{') is not read here"),
    ("  name: example", "  name: {{ x }}/a", "templating ('{{') is not read here"),
    (
        "  name: example",
        "  name: example\n  name: second",
        "lpse.name: this key stands here a second time (first in",
    ),
    ("  name: example", "  name: !secret x", "lpse.name: this value cannot be read"),
    ("  name: example", "  name: example\n  <<: {a: 1}", "lpse.<<: merge keys ('<<') are not read here"),
    ("Asia/Jakarta\n", "Asia/Djakarta\n", "lpse.time_zone: there is no such time zone"),
    (
        "    address: 192.0.2.10",
        "    address: 192.0.2.310",
        "lpse.service.address: this is not an IPv4 address",
    ),
    ("    address: 192.0.2.10", "    address: 127.0.0.1", "lpse.service.address: this is a loopback"),
    ("    address: 192.0.2.10", "    address: 192.0.2.12", "belongs to node2 already"),
    (
        "    address: 192.0.2.10",
        "    address: 192.0.2.255",
        "broadcast address -> take a free host address of",
    ),
    (
        "address: 192.0.2.22",
        "address: 192.0.2.21",
        "lpse.nodes.node2.bmc.address: this address belongs to the BMC of",
    ),
    (
        "    prefix: 24",
        "    prefix: 240",
        "lpse.service.prefix: this number is too big -> at most 30 is allowed",
    ),
    ("    prefix: 24", "    prefix: '24'", "lpse.service.prefix: this must be a whole number"),
    ("192.0.2.0/24", "192.0.2.1/24", "lpse.access.ssh_from[0]: this is an address inside a network"),
    ("192.0.2.0/24", "everywhere", "lpse.access.ssh_from[0]: this is not a network"),
    ('["192.0.2.0/24"]', "192.0.2.0/24", "lpse.access.ssh_from: this must be a list"),
    ("ssh-ed25519 AAAA", "ssh-ed25519 ABAA", "lpse.access.public_keys[0]: this SSH public key is damaged"),
    ("ssh-ed25519 AAAA", "AAAA", "lpse.access.public_keys[0]: this is not an SSH public key"),
    ("    port: 9090", "    port: 443", "lpse.instance.port: this port belongs to HTTPS already"),
    ("    port: 9090", "    port: 5432", "lpse.instance.port: this port belongs to PostgreSQL already"),
    ("    heap_mb: 4096", "    heap_mb: 16000", "heap takes more than three quarters of the memory of node1"),
    ("spse.example.go.id", "https://spse.go.id", "lpse.service.server_name: this text has characters"),
    (
        "context_path: /eproc4",
        "context_path: eproc4/",
        "lpse.instance.context_path: this text has characters",
    ),
    (
        "/home/file/file_prod",
        "/home/appserv/production/files",
        "documents and application folder lie in each other",
    ),
    ("golden/production.tar", "golden/other.tar", "lpse.instance.golden_copy: the file"),
    (
        "golden/production.tar",
        "../production.tar",
        "lpse.instance.golden_copy: a file of the inventory must lie",
    ),
    ("    store: ", "    stoer: ", "lpse.packages.stoer: this key is unknown -> did you mean `store`?"),
    ("  fencing:\n", "  fencing: 2\n  policies:\n", "lpse.fencing: keys must stand below this one"),
    ("replication: async", "replication: synchronous", "lpse.replication: this value is not allowed"),
    (
        "    node2:\n",
        "    node-2:\n",
        "lpse.nodes.node-2: this text has characters that are not allowed here",
    ),
    (
        "    node2:\n",
        "    node3:\n",
        "lpse.nodes.node3: hosts.yml has no node of this name -> it has: node1, node2",
    ),
    ("  title: LPSE", "\ttitle: LPSE", "a tab stands at the start of a line -> use spaces only"),
    ("  title: LPSE", "  title: 'LPSE", "not YAML"),
    ("---\nlpse:", "---\nlpse: &a\n  nodes2: *a", "a YAML alias refers to itself"),
    ("---\nlpse:", "---\nother: 1\nlpse:", "other: this key is unknown -> only `lpse` may stand here"),
    ("---\nlpse:", "---\nlpes:", "the key `lpse` is missing"),
]


@pytest.mark.parametrize(
    ("old", "new", "expected"), ONE_FAULT, ids=[new.strip()[:40] for _, new, _ in ONE_FAULT]
)
def test_one_fault(inventory: Path, old: str, new: str, expected: str) -> None:
    edit(inventory, SETTINGS, (old, new))
    found = faults(inventory)
    assert any(expected in fault for fault in found), found
    assert all(fault.startswith((SETTINGS, "hosts.yml", VAULT)) for fault in found)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def change(name: str, old: str, new: str) -> Callable[[Path], None]:
    return lambda folder: edit(folder, name, (old, new))


def write(name: str, data: bytes) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return do


OTHER_FILES = {
    "no hosts.yml": (remove("hosts.yml"), "hosts.yml: this file is missing"),
    "no site.yml": (remove(SETTINGS), f"{SETTINGS}: this file is missing"),
    "no vault.yml": (remove(VAULT), f"{VAULT}: this file is missing"),
    "no connection.yml": (remove("group_vars/all/connection.yml"), "connection.yml: this file is missing"),
    "no known_hosts": (remove("known_hosts"), "known_hosts: this file is missing"),
    "no key": (remove("ssh/id_ed25519"), "lpse.access.identity_file: the file"),
    "no checksum": (
        remove("artifacts/golden/production.tar.sha256"),
        "golden_copy: its checksum production.tar.sha256",
    ),
    "empty site.yml": (write(SETTINGS, b""), f"{SETTINGS}: the file is empty"),
    "binary site.yml": (write(SETTINGS, b"\xff\xfe\x00"), f"{SETTINGS}: not a text file in UTF-8"),
    "control characters": (write(SETTINGS, b"lpse: \x01"), f"{SETTINGS}: not YAML"),
    "list site.yml": (write(SETTINGS, b"- 1\n"), "the key `lpse` is missing"),
    "host without key": (
        change("known_hosts", "192.0.2.30 ", "192.0.2.31 "),
        "no key of host repository1 (192.0.2.30)",
    ),
    "damaged host key": (
        change("known_hosts", "192.0.2.30 ssh-ed25519 A", "192.0.2.30 ssh-ed25519 "),
        "not a host key",
    ),
    "host twice": (
        change("hosts.yml", "192.0.2.12", "192.0.2.11"),
        "node2.ansible_host: this address belongs to node1",
    ),
    "host elsewhere": (
        change("hosts.yml", "192.0.2.12", "198.51.100.12"),
        "this node is outside the service's network",
    ),
    "host without address": (
        change("hosts.yml", "ansible_host: 192.0.2.12", "addr: 1"),
        "ansible_host is missing",
    ),
    "host with more": (
        change("hosts.yml", "ansible_host: 192.0.2.12", "ansible_host: 192.0.2.12\n      ansible_port: 2222"),
        "nodes.hosts.node2.ansible_port: this key is unknown",
    ),
    "bad name": (
        change("hosts.yml", "repository1", "Repo_1"),
        "Repo_1: this cannot be the name of a host here",
    ),
    "unknown group": (
        change("hosts.yml", "repository:\n  hosts", "repo:\n  hosts"),
        "repo: this group is unknown",
    ),
    "repository a node": (
        change("hosts.yml", "    repository1:\n", "    node1:\n"),
        "repository.hosts.node1: this host is a node too",
    ),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_other_files(inventory: Path, name: str) -> None:
    damage, expected = OTHER_FILES[name]
    damage(inventory)
    found = faults(inventory)
    assert any(expected in fault for fault in found), found


def test_all_faults_at_once(inventory: Path) -> None:
    edit(
        inventory, SETTINGS, ("name: example", "nmae: example"), ("prefix: 24", "prefix: 99"), ("9090", "22")
    )
    edit(inventory, "hosts.yml", ("192.0.2.12", "192.0.2.999"))
    edit(inventory, "known_hosts", ("192.0.2.30 ", "192.0.2.31 "))
    (inventory / "artifacts" / "packages.asc").unlink()
    found = faults(inventory)
    expected = ["hosts.yml:8:", "lpse.name", "lpse.nmae", "lpse.service.prefix", "lpse.instance.port"]
    expected += ["lpse.packages.key", "known_hosts: no key of host repository1"]
    for part in expected:
        assert sum(part in fault for fault in found) == 1, (part, found)
    assert len(found) == len(expected)


def test_lines_are_right(inventory: Path) -> None:
    lines = (inventory / SETTINGS).read_text().splitlines()
    number = next(i for i, line in enumerate(lines, 1) if "prefix: 24" in line)
    edit(inventory, SETTINGS, ("prefix: 24", "prefix: 99"))
    assert faults(inventory) == [
        f"{SETTINGS}:{number}: lpse.service.prefix: this number is too big -> at most 30 is allowed"
    ]


SECRET_FAULTS = {
    "default password": (
        "a-database-password",
        "epns",
        "database_password: the database password is the published",
    ),
    "short": ("a-monitor-password", "abc", "monitor_password: this text is too short"),
    "missing": ("  status_key: a-status-key\n", "", "lpse_secrets.status_key: this key is missing"),
    "typo": ("  status_key:", "  statuskey:", "statuskey: this key is unknown -> did you mean `status_key`?"),
    "node missing": (", node2: bmc-two", "", "bmc_passwords.node2: the BMC password of this node is missing"),
    "node too many": (
        "node2: bmc-two",
        "node2: bmc-two, node3: x",
        "node3: site.yml has no node of this name",
    ),
    "BMC password too long": ("bmc-two", "b" * 21, "bmc_passwords.node2: this text is too long"),
    "no key": ("PRIVATE KEY", "PUBLIC KEY", "tls_key: this is not a private key"),
    "broken": ("lpse_secrets:\n", "lpse_secrets: [\n", f"{VAULT}:"),
}


@pytest.mark.parametrize("name", SECRET_FAULTS)
def test_secret_faults_never_show_a_secret(tmp_path: Path, name: str) -> None:
    old, new, expected = SECRET_FAULTS[name]
    folder = make_inventory(tmp_path / "office", secrets=lambda text: text.replace(old, new))
    found = faults(folder)
    assert any(expected in fault for fault in found), found
    assert "a-replication-password" not in str(found)
    assert "b" * 21 not in str(found)


def test_wrong_password_beside_other_faults(inventory: Path) -> None:
    (inventory / ".vault-password").write_text("wrong\n")
    with pytest.raises(VaultError):
        load_site(inventory)
    edit(inventory, SETTINGS, ("prefix: 24", "prefix: 99"))
    found = faults(inventory)
    assert len(found) == 2
    assert any("does not open" in fault for fault in found)
