"""The inventory of a lab: the static files of ``inventory/lab`` and all that is unique or secret in a lab."""

import datetime
import ipaddress
import secrets
import shutil
import subprocess
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lpse_ops.content import content_root
from lpse_ops.lab import tools
from lpse_ops.lab.names import ADDRESSES, NODES, SERVICE_ADDRESS, SERVICE_NAME, LabNames
from lpse_ops.site import vault

_PLACEHOLDER = "ssh-ed25519 replaced-by-lab-up technician"
_DAYS = 825


def write(names: LabNames, store_key: Path) -> str:
    """Write the lab's inventory folder but for known_hosts and the vault; return the technician's public key.

    `store_key` is the public key of the package store.
    """
    site = names.site
    shutil.copytree(_static_files(), site)
    site.chmod(0o755)
    (names.state / "control").mkdir(mode=0o700)
    (site / "ssh").mkdir(mode=0o700)
    key = site / "ssh/id_ed25519"
    tools.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "technician", "-f", str(key)])
    public = key.with_suffix(".pub").read_text().strip()
    settings = site / "group_vars/all/site.yml"
    settings.write_text(settings.read_text().replace(_PLACEHOLDER, public))
    (site / "artifacts").mkdir()
    shutil.copyfile(store_key, site / "artifacts/packages.asc")
    return public


def write_known_hosts(names: LabNames, keys: dict[str, str]) -> None:
    """Write known_hosts: given the public host key of every host."""
    lines = [f"{ADDRESSES[host]},{host} {key}\n" for host, key in sorted(keys.items())]
    (names.site / "known_hosts").write_text("".join(lines))


def write_secrets(names: LabNames) -> dict[str, str]:
    """Make the lab's secrets and its certificate; write vault and password file. Return the BMC passwords by node."""
    password = secrets.token_urlsafe(24)
    # IPMI 2.0 allows 20 bytes; ipmi_sim's own parser wants no quotes or spaces in them.
    bmc = {node: secrets.token_hex(8) for node in NODES}
    content = {
        "lpse_secrets": {
            "database_password": secrets.token_urlsafe(24),
            "replication_password": secrets.token_urlsafe(24),
            "monitor_password": secrets.token_urlsafe(24),
            "application_secret": secrets.token_hex(32),
            "status_key": secrets.token_urlsafe(24),
            "tls_key": certificate(names.site / "artifacts/tls"),
            "bmc_passwords": bmc,
        }
    }
    file = names.site / ".vault-password"
    file.touch(mode=0o600)
    file.write_text(password + "\n")
    text = vault.encrypt(yaml.safe_dump(content, sort_keys=False), password)
    (names.site / "group_vars/all/vault.yml").write_text(text)
    return bmc


def certificate(folder: Path) -> str:
    """Make a CA and the service's certificate; write ``ca.crt`` and ``service.crt``; return the service's key as PEM.

    The CA's own key is not kept: it has signed all it will ever sign.
    """
    folder.mkdir(parents=True)
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lpse-ops lab CA")])

    def begin(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=_DAYS))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
            )
        )

    ca = (
        begin(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVICE_NAME)])
    names = [x509.DNSName(SERVICE_NAME), x509.IPAddress(ipaddress.ip_address(SERVICE_ADDRESS))]
    service = (
        begin(subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(ca.public_bytes(pem))
    (folder / "service.crt").write_bytes(service.public_bytes(pem))
    return key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def close_connections(names: LabNames) -> None:
    """End the SSH connections that Ansible keeps open to this lab: after a reset they would lead nowhere."""
    for path in (names.state / "control").glob("*"):
        argv = ["ssh", "-F", "/dev/null", "-o", f"ControlPath={path}", "-O", "exit", "lab"]
        subprocess.run(argv, capture_output=True, check=False)
        path.unlink(missing_ok=True)


def _static_files() -> Path:
    return content_root() / "inventory/lab"


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
