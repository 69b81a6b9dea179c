"""A whole and valid inventory made from the shipped example, for tests and benchmarks."""

import base64
import hashlib
import shutil
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lpse_ops.site import vault

EXAMPLE = Path(__file__).parents[2] / "inventory" / "example"
PASSWORD = "correct horse battery staple"
ADDRESSES = ("192.0.2.11", "192.0.2.12", "192.0.2.30")
VAULT = "group_vars/all/vault.yml"
SETTINGS = "group_vars/all/site.yml"


def make_inventory(folder: Path, *, secrets: Callable[[str], str] | None = None) -> Path:
    """Given an empty folder's path, fill it with a valid inventory and return it.

    `secrets` may change the vault's plain text before it is encrypted. The password lies in ``.vault-password``.
    """
    shutil.copytree(EXAMPLE, folder)
    certificate, key = make_certificate("spse.example.go.id")
    for name, data in {
        "artifacts/tls/service.crt": certificate,
        "artifacts/packages.asc": b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
        "ssh/id_ed25519": b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
        ".vault-password": PASSWORD.encode() + b"\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    golden = folder / "artifacts" / "golden" / "production.tar"
    golden.parent.mkdir()
    tarfile.open(golden, "w").close()
    digest = hashlib.sha256(golden.read_bytes()).hexdigest()
    golden.with_name("production.tar.sha256").write_text(f"{digest}  production.tar\n")
    host_key = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + b"k" * 32).decode()
    (folder / "known_hosts").write_text("".join(f"{a} ssh-ed25519 {host_key}\n" for a in ADDRESSES))
    text = plain_secrets(key.decode())
    (folder / VAULT).write_text(vault.encrypt(secrets(text) if secrets else text, PASSWORD))
    return folder


def plain_secrets(tls_key: str) -> str:
    """Given a private key in PEM form, return the plain text of a vault."""
    indented = "".join(f"    {line}\n" for line in tls_key.splitlines())
    return (
        "lpse_secrets:\n"
        "  database_password: a-database-password\n"
        "  replication_password: a-replication-password\n"
        "  monitor_password: a-monitor-password\n"
        "  application_secret: an-application-secret-of-length\n"
        "  status_key: a-status-key\n"
        f"  tls_key: |\n{indented}"
        "  bmc_passwords: {node1: bmc-one, node2: bmc-two}\n"
    )


def make_certificate(name: str, days: int = 90) -> tuple[bytes, bytes]:
    """Given a host name, return a self-signed certificate and its key (both PEM), valid for `days` more days."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1) + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
