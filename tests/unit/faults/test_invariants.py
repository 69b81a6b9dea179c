"""The sweep's invariants find what they are for: a late write, writes side by side, a prober that saw nothing.

And a finding of `verify` is a stated loss only if it names nothing but offers whose loss was stated.
"""

from types import SimpleNamespace
from typing import cast

import pytest

from lpse_ops.drill.compare import Row, compare
from tests.faults.invariants import is_stated_loss, one_writer, prober_saw
from tests.faults.prober import Prober, Write
from tests.faults.row import proven_at

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


def writes(*told: tuple[float, str]) -> list[Write]:
    return [Write(at, node, "database") for at, node in told]


def test_one_after_the_other_is_as_it_must_be() -> None:
    taken = writes((1, "node1"), (2, "node1"), (9, "node2"), (10, "node2"))
    assert one_writer(taken, "node1", 5.0) == []
    assert one_writer(taken, "node1", None) == []


def test_a_write_after_the_proof_of_death_is_found() -> None:
    (fault,) = one_writer(writes((1, "node1"), (5.2, "node1"), (9, "node2")), "node1", 5.0)
    assert "1 writes after its death was proven" in fault
    assert "0.20 s" in fault


def test_two_nodes_that_write_by_turns_are_found_without_any_proof() -> None:
    (fault,) = one_writer(writes((1, "node1"), (2, "node2"), (3, "node1"), (4, "node2")), "node1", None)
    assert "after another node had begun" in fault


def test_a_prober_that_did_not_get_through_proves_nothing() -> None:
    half = [Write(1, "node1", "database"), Write(1, "node1", "application"), Write(2, "node2", "database")]
    prober = cast(Prober, SimpleNamespace(writes=half))
    assert prober_saw(prober, "node1") == []
    (fault,) = prober_saw(prober, "node1", "node2")
    assert "the application of node2" in fault


def test_the_first_gate_that_was_passed_counts() -> None:
    def gate(time: float, status: str) -> dict[str, object]:
        return {"type": "outcome", "step": "fence.gate", "status": status, "time": time}

    assert proven_at([]) is None
    assert proven_at([gate(3, "failed")]) is None
    assert proven_at([gate(3, "failed"), gate(7, "done"), gate(9, "done")]) == 7.0
