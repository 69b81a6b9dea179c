"""One writer of the ledger: sends offers over a kept connection, with short deadlines, and reports what came back."""

import hashlib
import http.client
import json
import random
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

NOTICE = "notice"


@dataclass(frozen=True)
class Target:
    """Where offers go: the service address, the name it must prove (None as `tls`: plain HTTP), open tenders."""

    address: str
    server_name: str
    tenders: Sequence[int]
    tls: ssl.SSLContext | None
    port: int = 443
    context_path: str = "/eproc4"


@dataclass(frozen=True)
class Pace:
    """How many writers, offers a second each, bytes a document (from, to), deadlines in seconds.

    `again_s` is the pause after a failure. `seed` makes sizes and contents repeatable (ids never are).
    """

    writers: int = 4
    rate: float = 6.0
    size: tuple[int, int] = (2048, 8192)
    connect_s: float = 0.5
    handshake_s: float = 1.5
    answer_s: float = 4.0
    again_s: float = 0.2
    seed: int = 1


class Book(Protocol):
    """Where a writer reports."""

    def attempt(self, event: dict[str, Any]) -> None: ...
    def ack(self, event: dict[str, Any]) -> None: ...
    def fail(self, offer: str, reason: str) -> None: ...


@dataclass(frozen=True)
class Offer:
    """One offer: the same id, however often it is sent."""

    tender: int
    content: bytes = field(repr=False)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def sha256(self) -> str:
        """The hash of the document."""
        return hashlib.sha256(self.content).hexdigest()


def tls_context(authority: Path) -> ssl.SSLContext:
    """Given the certificate(s) to trust (PEM), return a context that trusts nothing else and checks the name."""
    context = ssl.create_default_context(cafile=authority)
    # On from Python 3.13 on: it refuses offices' own authorities for missing extensions that 3.11 does not ask for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Writer:
    """Sends one offer after the other. Writers with an odd number send an unacknowledged offer again until it is
    acknowledged, as a bidder would; the others give it up, so that offers which the service kept without
    having said
    so stay visible ("recovered")."""

    def __init__(self, number: int, target: Target, pace: Pace, book: Book) -> None:
        self._number = number
        self._target = target
        self._pace = pace
        self._book = book
        self._dice = random.Random(f"{pace.seed}/{number}")  # noqa: S311 - content, not secrets
        self._connection = _Connection(target, pace)

    def run(self, halt: threading.Event) -> None:
        """Write until `halt` is set; what is under way is finished."""
        interval = 1 / self._pace.rate
        due = time.monotonic() + interval * self._number / self._pace.writers
        while not halt.wait(max(0.0, due - time.monotonic())):
            offer = self._new_offer()
            tries = 1
            while not self._send(offer, tries) and not halt.wait(self._pace.again_s) and self._number % 2:
                tries += 1
            due = max(due + interval, time.monotonic())
        self._connection.close()

    def _new_offer(self) -> Offer:
        content = self._dice.randbytes(self._dice.randint(*self._pace.size))
        return Offer(self._dice.choice(self._target.tenders), content)

    def _send(self, offer: Offer, tries: int) -> bool:
        event = {"id": offer.id, "sha256": offer.sha256, "size": len(offer.content), "tender": offer.tender}
        self._book.attempt({**event, "writer": self._number, "try": tries})
        sent = time.time()
        try:
            status, retry_after, body = self._post(offer)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._book.fail(offer.id, _reason(error))
            return False
        if status != 200:
            notice = status == 503 and retry_after is not None
            self._book.fail(offer.id, NOTICE if notice else f"http {status}")
            return False
        try:
            answer = json.loads(body)
            same = answer["sha256"] == offer.sha256
        except (ValueError, KeyError, TypeError):
            same = False
        if not same:
            # Not what was asked to be kept: no acknowledgement.
            self._book.fail(offer.id, "wrong answer")
            return False
        self._book.ack(
            {
                "id": offer.id,
                "sha256": offer.sha256,
                "sent": sent,
                "dok_id": answer.get("dok_id"),
                "link": answer.get("link"),
            }
        )
        return True

    def _post(self, offer: Offer) -> tuple[int, str | None, bytes]:
        headers = {
            "Content-Type": "application/octet-stream",
            "X-Idempotency-Key": offer.id,
            "User-Agent": "lpse-ops-ledger",
        }
        path = f"{self._target.context_path}/lelang/{offer.tender}/penawaran"
        self._connection.request("POST", path, offer.content, headers)
        response = self._connection.getresponse()
        return response.status, response.getheader("Retry-After"), response.read()


class _Connection(http.client.HTTPConnection):
    """Connects to the address, but asks for, and verifies, the server's name."""

    def __init__(self, target: Target, pace: Pace) -> None:
        super().__init__(target.server_name, target.port)
        self._where = (target.address, target.port)
        self._tls = target.tls
        self._pace = pace
        if target.tls is not None:
            self.default_port = 443

    def connect(self) -> None:
        plain = socket.create_connection(self._where, self._pace.connect_s)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = plain
            if self._tls is not None:
                plain.settimeout(self._pace.handshake_s)
                self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
        self.sock.settimeout(self._pace.answer_s)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return type(error).__name__
