"""The ledger of a whole soak: what was acknowledged in any round must be there in the end, but for what was stated.

Every round has a ledger of its own. What it acknowledged and the site still holds is carried into the next one: a later
failover must not lose it either. What is lost within a statement is written off and never asked for again.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lpse_ops.drill.compare import Comparison, Found, compare

Event = dict[str, Any]


class Books:
    """What the site owes so far."""

    def __init__(self) -> None:
        self._owed: list[Event] = []  # attempts and acknowledgements of earlier rounds
        self._known: set[str] = set()  # ids that may be there or not

    @property
    def owed(self) -> int:
        """How many acknowledged offers of earlier rounds must still be there."""
        return sum(event["event"] == "ack" for event in self._owed)

    def close_round(self, ledger: Path, found: Found, others: Iterable[str], stated: int) -> list[str]:
        """Given a round's ledger, what the active node holds, ids of others' offers and how many may be lost, return
        what is wrong; then carry over what is there.
        """
        events = [*self._owed, *(json.loads(line) for line in ledger.read_text().splitlines())]
        self._known |= set(others)
        books = compare(events, found.rows, found.documents, known=self._known)
        self._carry(events, books)
        return _faults(books, stated)

    def forget(self) -> None:
        """The site was put back to an earlier state: nothing is owed any more."""
        self._owed.clear()

    def _carry(self, events: Sequence[Event], books: Comparison) -> None:
        acknowledged = {event["id"] for event in events if event["event"] == "ack"}
        kept = acknowledged - books.lost_ids.keys()
        self._owed = [
            event for event in events if event["event"] in ("attempt", "ack") and event["id"] in kept
        ]
        self._known |= {event["id"] for event in events if event["event"] == "attempt"} - kept


def _faults(books: Comparison, stated: int) -> list[str]:
    faults = []
    if books.lost > stated:
        some = dict(list(books.lost_ids.items())[:5])
        faults.append(f"{books.lost} acknowledged offers are lost, {stated} were stated: {some} ...")
    if books.unexpected:
        faults.append(f"{books.unexpected} offers are there that nobody made: {books.unexpected_ids[:5]}")
    return faults
