"""The books of a soak: what one round acknowledged, a later one must not lose."""

import json
from pathlib import Path

from lpse_ops.drill.compare import Found, Row
from tests.faults.books import Books

SHA = "a" * 64


def ledger(folder: Path, *offers: str, acknowledged: bool = True) -> Path:
    path = folder / "ledger.jsonl"
    lines = []
    for n, offer in enumerate(offers):
        lines.append({"event": "attempt", "id": offer, "sha256": SHA, "t": n})
        if acknowledged:
            lines.append({"event": "ack", "id": offer, "sha256": SHA, "t": n + 0.5})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def holds(*offers: str) -> Found:
    return Found(tuple(Row(o, SHA, f"{o}.rhs") for o in offers), tuple((f"{o}.rhs", SHA) for o in offers))


def test_what_is_there_is_owed_ever_after(tmp_path: Path) -> None:
    books = Books()
    assert books.close_round(ledger(tmp_path, "a", "b"), holds("a", "b"), (), 0) == []
    assert books.owed == 2
    (fault,) = books.close_round(ledger(tmp_path, "c"), holds("a", "c"), (), 0)
    assert "1 acknowledged offers are lost, 0 were stated" in fault
    assert "'b'" in fault


def test_a_stated_loss_is_written_off_once(tmp_path: Path) -> None:
    books = Books()
    assert books.close_round(ledger(tmp_path, "a", "b"), holds("a"), (), 1) == []
    assert books.owed == 1
    assert books.close_round(ledger(tmp_path, "c"), holds("a", "c"), (), 0) == []


def test_what_was_only_attempted_may_turn_up_later(tmp_path: Path) -> None:
    books = Books()
    assert books.close_round(ledger(tmp_path, "a", acknowledged=False), holds(), (), 0) == []
    assert books.close_round(ledger(tmp_path, "b"), holds("a", "b"), (), 0) == []
    assert books.owed == 1


def test_an_offer_of_nobody_is_found(tmp_path: Path) -> None:
    books = Books()
    (fault,) = books.close_round(ledger(tmp_path, "a"), holds("a", "x", "probe"), {"probe"}, 0)
    assert "nobody made" in fault
    assert "x" in fault


def test_after_a_reset_nothing_is_owed(tmp_path: Path) -> None:
    books = Books()
    books.close_round(ledger(tmp_path, "a"), holds("a"), (), 0)
    books.forget()
    assert books.close_round(ledger(tmp_path, "b"), holds("b"), (), 0) == []
