"""HTTPS as a browser speaks it, to an address of choice under the site's name, each answer kept."""

import http.client
import socket
import ssl
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lpse_ops.i18n import _
from lpse_ops.waiting import scaled

TIMEOUT_S = 15.0
REFUSAL_S = 5.0


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names in lower case; `certificate` as DER, `validity` as ssl tells it."""

    status: int
    headers: dict[str, str]
    body: bytes
    certificate: bytes = b""
    validity: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", errors="replace")


@dataclass(frozen=True)
class Door:
    """An HTTPS server: where it is, the name it must answer to, the certificate it must show (a PEM file)."""

    address: str
    server_name: str
    certificate: Path
    port: int = 443
    _kept: dict[str, Answer] = field(default_factory=dict, repr=False, compare=False)

    def get(self, path: str) -> Answer:
        """Return the answer to GET `path`, fetched once. Raise AssertionError if there is none."""
        if path not in self._kept:
            self._kept[path] = self.ask("GET", path)
        return self._kept[path]

    def ask(
        self, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one request over a new connection. Raise AssertionError, with the reason, if nothing answers."""
        try:
            with self._connect(self._context()) as stream:
                connection = http.client.HTTPConnection(self.server_name, timeout=scaled(TIMEOUT_S))
                connection.sock = stream
                # Asked for now: a server that closes after its answer takes the socket with it.
                certificate, validity = stream.getpeercert(binary_form=True), stream.getpeercert()
                connection.request(method, path, body=body, headers=headers or {})
                answer = connection.getresponse()
                return Answer(
                    answer.status,
                    {key.lower(): value for key, value in answer.getheaders()},
                    answer.read(),
                    certificate or b"",
                    dict(validity or {}),
                )
        except (OSError, http.client.HTTPException) as error:
            raise AssertionError(self._silent(error)) from error

    def refuses_body_of(self, path: str, size: int) -> int | None:
        """Announce a body of `size` bytes and send one; return the status that came at once, None if none did.

        A server that would take the body answers nothing and waits for the rest.
        """
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.server_name}\r\nContent-Length: {size}\r\n"
            "Content-Type: application/octet-stream\r\nConnection: close\r\n\r\n-"
        )
        try:
            with self._connect(self._context()) as stream:
                stream.sendall(head.encode())
                stream.settimeout(scaled(REFUSAL_S))
                first = stream.recv(64).split()
        except TimeoutError:
            return None
        except OSError as error:
            raise AssertionError(self._silent(error)) from error
        return int(first[1]) if len(first) > 1 else None

    def accepts_version(self, version: ssl.TLSVersion) -> bool:
        """Tell whether the server speaks this version of TLS, when it is the only one offered."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # naming an old version is the purpose here
            context.minimum_version = context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")
        try:
            with self._connect(context):
                return True
        except OSError:
            return False

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.certificate.is_file():
            # The site's own certificate is trusted by itself: offices use national and private authorities.
            context.load_verify_locations(cafile=self.certificate)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    def _connect(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        plain = socket.create_connection((self.address, self.port), timeout=scaled(TIMEOUT_S))
        try:
            return context.wrap_socket(plain, server_hostname=self.server_name)
        except BaseException:
            plain.close()
            raise

    def _silent(self, error: Exception) -> str:
        return _(
            "https://%(name)s at %(address)s gives no valid answer (%(why)s), expected a page; "
            "look at apache2, the certificate and the firewall of the host that holds the address."
        ) % {"name": self.server_name, "address": self.address, "why": error}
