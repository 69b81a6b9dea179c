"""The unique part of a lab's inventory: certificate, vault, index of the package store."""

import subprocess
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lpse_ops.content import content_root
from lpse_ops.lab import image, inventory, store
from lpse_ops.lab.names import ADDRESSES, HOSTS, SERVICE_ADDRESS, LabNames
from lpse_ops.site import vault


def test_the_certificate_is_signed_for_name_and_address(tmp_path: Path) -> None:
    key = serialization.load_pem_private_key(inventory.certificate(tmp_path / "tls").encode(), None)
    service = x509.load_pem_x509_certificate((tmp_path / "tls/service.crt").read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "tls/ca.crt").read_bytes())
    service.verify_directly_issued_by(authority)
    assert service.public_key() == key.public_key()
    names = service.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["spse.lab.example"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == [SERVICE_ADDRESS]
    verified = subprocess.run(
        ["openssl", "verify", "-CAfile", str(tmp_path / "tls/ca.crt"), str(tmp_path / "tls/service.crt")],
        capture_output=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabNames:
    monkeypatch.setenv("LPSE_OPS_LAB_HOME", str(tmp_path))
    made = LabNames("x")
    made.state.mkdir()
    (tmp_path / "key.asc").write_text("key")
    inventory.write(made, tmp_path / "key.asc")
    return made


def test_secrets_are_in_the_vault_only_and_unique(names: LabNames) -> None:
    passwords = inventory.write_secrets(names)
    password_file = names.site / ".vault-password"
    assert password_file.stat().st_mode & 0o777 == 0o600
    text = (names.site / "group_vars/all/vault.yml").read_text()
    secrets = yaml.safe_load(vault.decrypt(text, password_file.read_text().strip()))["lpse_secrets"]
    assert secrets["bmc_passwords"] == passwords
    assert all(len(word) <= 20 for word in passwords.values())  # IPMI 2.0
    assert len(set(passwords.values())) == 2
    assert set(secrets) == {
        "database_password",
        "replication_password",
        "monitor_password",
        "application_secret",
        "status_key",
        "tls_key",
        "bmc_passwords",
    }


def test_the_technicians_key_takes_its_place(names: LabNames) -> None:
    site = yaml.safe_load((names.site / "group_vars/all/site.yml").read_text())["lpse"]
    assert site["access"]["public_keys"] == [(names.site / "ssh/id_ed25519.pub").read_text().strip()]
    assert (names.site / "ssh/id_ed25519").stat().st_mode & 0o777 == 0o600


def test_static_addresses_are_those_of_the_network() -> None:
    hosts = yaml.safe_load((content_root() / "inventory/lab/hosts.yml").read_text())["all"]["children"]
    found = {h: v["ansible_host"] for group in hosts.values() for h, v in group["hosts"].items()}
    assert found == {host: ADDRESSES[host] for host in HOSTS}


def test_known_hosts_name_address_and_host(names: LabNames) -> None:
    inventory.write_known_hosts(names, {"node1": "ssh-ed25519 AAAA"})
    assert (names.site / "known_hosts").read_text() == "198.51.100.11,node1 ssh-ed25519 AAAA\n"


def test_recipes_change_with_what_they_are_made_of(tmp_path: Path) -> None:
    assert image.recipe("12") != image.recipe("13")
    (tmp_path / "build-id").write_text("1\n")
    first = store.recipe("12", tmp_path)
    (tmp_path / "build-id").write_text("2\n")
    assert store.recipe("12", tmp_path) != first
    assert "openjdk-17-jre-headless" in store.packages("12")
    assert "openjdk-21-jre-headless" in store.packages("13")


def test_the_index_of_a_store_names_every_package(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: contoh\nVersion: 1:2.0\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: none\n"
    )
    repository = tmp_path / "repository"
    repository.mkdir()
    subprocess.run(
        ["dpkg-deb", "--build", str(tree), str(repository / "contoh_1_2.0_all.deb")],
        check=True,
        capture_output=True,
    )
    store.write_index(repository, "bookworm")
    packages = (repository / "Packages").read_text()
    assert "Package: contoh\n" in packages
    assert "Filename: ./contoh_1_2.0_all.deb\n" in packages
    assert f" {len(packages.encode())} Packages" in (repository / "Release").read_text()
