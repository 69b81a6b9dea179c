"""The ledger of a drill: writers that know exactly which offers the service has acknowledged.

Every attempt is on disk *before* it is sent, every acknowledgement before the writer goes on; `compare` then tells
what was lost. Events (JSONL, ``t`` in seconds since 1970): ``attempt`` (id, sha256, size, tender, writer, try),
``ack`` (id, sha256, dok_id, link, sent), ``fail`` (id, reason), ``start``, ``stop``.
"""

import bisect
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lpse_ops.drill.durable import DurableLog
from lpse_ops.drill.writer import NOTICE, Pace, Target, Writer
from lpse_ops.waiting import scaled


@dataclass(frozen=True)
class Outage:
    """The longest time without an acknowledgement: from the last before it to the first after it (seconds)."""

    begins: float
    ends: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.ends - self.begins


@dataclass(frozen=True)
class Notices:
    """How often the official notice (503 with Retry-After) was answered, first and last time of it."""

    count: int = 0
    first: float | None = None
    last: float | None = None


class Ledger:
    """Concurrent writers through the service address, and what they know."""

    def __init__(self, path: Path, target: Target, pace: Pace | None = None) -> None:
        """Given a new file, where to send and how fast, prepare. Raise UsageError if the file exists."""
        self.path = path
        self._pace = pace or Pace()
        self._log = DurableLog(path)
        self._lock = threading.Lock()
        self._acks: list[float] = []
        self._ids: set[str] = set()
        self._failures: Counter[str] = Counter()
        self._notices = Notices()
        self._halt = threading.Event()
        self._broken: BaseException | None = None
        numbers = range(self._pace.writers)
        self._threads = [
            threading.Thread(
                target=self._write, args=(Writer(number, target, self._pace, self),), daemon=True
            )
            for number in numbers
        ]

    def start(self) -> None:
        """Start the writers. The process must be in its network namespace already."""
        self._log.append({"t": time.time(), "event": "start", "writers": self._pace.writers})
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every writer finish what it has under way, then close the file. Raise what broke a writer, if any."""
        self._halt.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(scaled(self._pace.answer_s + 10))
        self._log.append({"t": time.time(), "event": "stop", "acknowledged": self.acknowledged})
        self._log.close()
        if self._broken is not None:
            raise self._broken

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def acknowledged(self) -> int:
        """How many offers are acknowledged."""
        with self._lock:
            return len(self._acks)

    @property
    def attempted(self) -> int:
        """How many different offers were attempted."""
        with self._lock:
            return len(self._ids)

    @property
    def failures(self) -> dict[str, int]:
        """How many attempts failed, by reason."""
        with self._lock:
            return dict(self._failures)

    @property
    def notices(self) -> Notices:
        """What was seen of the official notice."""
        with self._lock:
            return self._notices

    def first_ack_after(self, moment: float) -> float | None:
        """Given a time (seconds since 1970), return when the first acknowledgement after it came; None: not yet."""
        with self._lock:
            place = bisect.bisect_right(self._acks, moment)
            return self._acks[place] if place < len(self._acks) else None

    def last_ack_before(self, moment: float) -> float | None:
        """Given a time (seconds since 1970), return when the last acknowledgement up to it came, or None."""
        with self._lock:
            place = bisect.bisect_right(self._acks, moment)
            return self._acks[place - 1] if place else None

    def rate(self, window: float = 10.0) -> float:
        """Return acknowledgements a second over the last `window` seconds."""
        with self._lock:
            return (len(self._acks) - bisect.bisect_left(self._acks, time.time() - window)) / window

    def outage(self) -> Outage | None:
        """Return the longest time without an acknowledgement that has ended; None before the second one."""
        with self._lock:
            gaps = [Outage(*pair) for pair in zip(self._acks, self._acks[1:], strict=False)]
        return max(gaps, key=lambda gap: gap.seconds, default=None)

    # What a writer reports (writer.Book).

    def attempt(self, event: dict[str, Any]) -> None:
        """Note an attempt, durably, before it is sent."""
        self._log.append({"t": time.time(), "event": "attempt", **event})
        with self._lock:
            self._ids.add(event["id"])

    def ack(self, event: dict[str, Any]) -> None:
        """Note an acknowledgement, durably. Its time is the moment it came, not the moment it was on disk."""
        came = time.time()
        self._log.append({"t": came, "event": "ack", **event})
        with self._lock:
            bisect.insort(self._acks, came)

    def fail(self, offer: str, reason: str) -> None:
        """Note an attempt that was not acknowledged. Nothing depends on this line, so it waits for the next sync."""
        moment = time.time()
        self._log.append({"t": moment, "event": "fail", "id": offer, "reason": reason}, durable=False)
        with self._lock:
            self._failures[reason] += 1
            if reason == NOTICE:
                first = self._notices.first
                self._notices = Notices(self._notices.count + 1, moment if first is None else first, moment)

    def _write(self, writer: Writer) -> None:
        try:
            writer.run(self._halt)
        except BaseException as error:  # noqa: BLE001 - a writer that died silently would falsify the drill
            self._broken = error
            self._halt.set()
