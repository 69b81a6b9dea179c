"""A finding of `verify` is a stated loss only if it names nothing but offers whose loss was stated."""

import pytest

from lpse_ops.drill.compare import Row, compare
from tests.faults.invariants import is_stated_loss

LOST, BROKEN, PROBED, FOREIGN = (f"{n * 8}-1469-486c-95fd-4472b772c58e" for n in "abcd")
EVENTS = [
    {"event": "attempt", "id": LOST, "sha256": "x", "t": 1.0},
    {"event": "ack", "id": LOST, "t": 2.0},
    {"event": "attempt", "id": BROKEN, "sha256": "x", "t": 1.0},
]
BOOKS = compare(EVENTS, [Row(LOST, "x"), Row(BROKEN, "x"), Row(PROBED, "x")], [], known=[PROBED])


@pytest.mark.parametrize(
    ("test", "offers", "allowed", "stated"),
    [
        ("test_documents_equal_the_database", (LOST, BROKEN), 1, True),
        ("test_documents_equal_the_database", (LOST, PROBED), 2, True),
        ("test_documents_equal_the_database", (LOST, PROBED), 1, False),  # one more than was stated
        ("test_documents_equal_the_database", (PROBED,), None, False),
        ("test_documents_equal_the_database", (LOST, FOREIGN), 9, False),
        ("test_documents_equal_the_database", (), 9, False),
        ("test_tree", (LOST,), 9, False),
    ],
)
def test_what_is_a_stated_loss(test: str, offers: tuple[str, ...], allowed: int | None, stated: bool) -> None:
    message = ", ".join(f"2026/11/24/58/{offer}.rhs" for offer in offers)
    finding = {"id": f"test_documents.py::{test}[newest-node2]", "message": message}
    assert is_stated_loss(finding, BOOKS, {PROBED}, allowed) is stated
