"""A service that receives offers, in this process, over TLS, and can be told to misbehave."""

import contextlib
import datetime
import hashlib
import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "spse.lab.example"


def make_certificate(folder: Path, name: str = NAME) -> tuple[Path, Path]:
    """Return certificate and key files of a self-signed certificate for `name`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    crt, pem = folder / f"{name}.crt", folder / f"{name}.key"
    crt.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    pem.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return crt, pem


class OfferServer:
    """`mood`: ok, notice (503 + Retry-After), error (500), silent (keeps, never answers), wrong (another hash)."""

    def __init__(self, certificate: Path, key: Path, port: int = 0) -> None:
        self.mood = "ok"
        self.kept: dict[str, str] = {}
        self.seen: list[str] = []
        self.hosts: set[str] = set()
        self.connections = 0
        self.sockets: list[socket.socket] = []
        self.release = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        # A handshake that is abandoned must not end the accepting thread: it happens in the handler's.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for connection in self.sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _handler(owner: OfferServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            owner.connections += 1
            owner.sockets.append(self.connection)
            try:
                super().handle()
            except (OSError, ValueError):
                self.close_connection = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            offer, digest = self.headers["X-Idempotency-Key"], hashlib.sha256(body).hexdigest()
            owner.seen.append(offer)
            owner.hosts.add(self.headers["Host"])
            if owner.mood == "notice":
                self._answer(503, b"pemberitahuan", {"Retry-After": "30"})
            elif owner.mood == "error":
                self._answer(500, b"Maaf, terjadi error", {})
            elif owner.mood == "silent":
                owner.kept[offer] = digest
                owner.release.wait(10)
            else:
                owner.kept[offer] = digest
                told = "0" * 64 if owner.mood == "wrong" else digest
                self._answer(
                    200, json.dumps({"dok_id": len(owner.kept), "sha256": told, "link": "/dl/0"}).encode(), {}
                )

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
