"""Checks the service's certificate: that it can be read, fits its key and name, and is valid today."""

from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from lpse_ops.i18n import _
from lpse_ops.site.model import Site
from lpse_ops.site.yamlfile import Fault


def check_certificate(site: Site, now: datetime | None = None) -> Iterator[Fault]:
    """Given a site with its secrets, yield what is wrong with its TLS certificate; `now` replaces today."""
    name = site.service.certificate
    try:
        certificate = x509.load_pem_x509_certificates((site.folder / name).read_bytes())[0]
    except (OSError, ValueError, IndexError):
        yield Fault(
            name, _("this is not a certificate in PEM form"), _("put the certificate and its chain there")
        )
        return
    moment = now or datetime.now(UTC)
    if moment > certificate.not_valid_after_utc:
        day = certificate.not_valid_after_utc.date().isoformat()
        yield Fault(name, _("the certificate expired on %(day)s") % {"day": day}, _("get a new one"))
    elif moment < certificate.not_valid_before_utc:
        day = certificate.not_valid_before_utc.date().isoformat()
        yield Fault(name, _("the certificate is valid from %(day)s on") % {"day": day}, _("check this clock"))
    if not _covers(certificate, site.service.server_name):
        yield Fault(
            name,
            _("the certificate is not for %(name)s") % {"name": site.service.server_name},
            _("get one for this name, or correct lpse.service.server_name"),
        )
    yield from _check_key(site, certificate)


def _covers(certificate: x509.Certificate, name: str) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    wildcard = "*." + name.partition(".")[2]
    return any(known.lower() in {name, wildcard} for known in names.get_values_for_type(x509.DNSName))


def _check_key(site: Site, certificate: x509.Certificate) -> Iterator[Fault]:
    place, key = "group_vars/all/vault.yml", "lpse_secrets.tls_key"
    try:
        private = load_pem_private_key(site.secrets.tls_key.get_secret_value().encode(), password=None)
    except (ValueError, TypeError):
        yield Fault(
            place, _("this private key cannot be read"), _("it must be PEM without a passphrase"), key
        )
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        yield Fault(
            place,
            _("this key does not belong to %(file)s") % {"file": site.service.certificate},
            _("take key and certificate from the same server"),
            key,
        )
