"""What became of every offer: examples of each set, and its laws over random histories."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lpse_ops.drill.compare import Comparison, Row, collect, compare

HASHES = {"a": "1" * 64, "b": "2" * 64}


def attempt(offer: str, sha256: str = HASHES["a"], tries: int = 1) -> dict[str, Any]:
    return {"t": 1.0, "event": "attempt", "id": offer, "sha256": sha256, "try": tries}


def ack(offer: str, moment: float = 2.0) -> dict[str, Any]:
    return {"t": moment, "event": "ack", "id": offer, "sha256": HASHES["a"]}


def row(offer: str, sha256: str = HASHES["a"], path: str = "") -> Row:
    return Row(offer, sha256, path)


def document(offer: str, sha256: str = HASHES["a"]) -> tuple[str, str]:
    return (f"2026/01/05/00/{offer}.rhs", sha256)


def test_an_acknowledged_offer_with_row_and_document_is_not_lost() -> None:
    result = compare([attempt("x"), ack("x")], [row("x")], [document("x")])
    assert (result.acknowledged, result.lost, result.unexpected, result.recovered) == (1, 0, 0, 0)


def test_every_way_to_lose_an_acknowledged_offer_is_told() -> None:
    events = [event for name in "abcde" for event in (attempt(name), ack(name))]
    rows = [row("b"), row("c"), row("d", HASHES["b"]), row("e", path="elsewhere/e.rhs")]
    documents = [document("a"), document("c", HASHES["b"]), document("d"), document("e")]
    result = compare(events, rows, documents)
    assert result.lost_ids == {
        "a": "row missing",
        "b": "document missing",
        "c": "document differs",
        "d": "row differs",
        "e": "document missing",
    }
    assert result.lost == 5


def test_a_retry_is_the_same_attempt_and_may_be_recovered() -> None:
    events = [
        attempt("x"),
        {"t": 1.5, "event": "fail", "id": "x", "reason": "timeout"},
        attempt("x", tries=2),
    ]
    result = compare(events, [row("x")], [document("x")])
    assert (result.attempted, result.acknowledged, result.recovered) == (1, 0, 1)
    assert result.recovered_ids == ("x",)


def test_an_unacknowledged_offer_is_broken_without_its_document_and_an_orphan_without_its_row() -> None:
    result = compare([attempt("x"), attempt("y"), attempt("z")], [row("x")], [document("y")])
    assert (result.recovered, result.broken, result.orphans, result.lost) == (0, 1, 1, 0)


def test_a_row_that_nobody_attempted_is_unexpected_unless_it_is_known() -> None:
    result = compare([attempt("x")], [row("p"), row("q")], [], known=["q"])
    assert result.unexpected_ids == ("p",)


def test_the_times_of_the_lost_are_those_of_their_acknowledgements() -> None:
    events = [attempt("x"), ack("x", 5.0), attempt("y"), ack("y", 7.0)]
    result = compare(events, [], [])
    assert (result.oldest_lost, result.newest_lost) == (5.0, 7.0)
    assert result.as_dict()["lost"] == 2


OFFERS = st.sampled_from("uvwxyz")
HISTORY = st.lists(
    st.one_of(st.builds(attempt, OFFERS), st.builds(ack, OFFERS)),
)


@given(
    HISTORY,
    st.lists(st.builds(row, OFFERS, st.sampled_from(sorted(HASHES.values())))),
    st.lists(st.builds(document, OFFERS, st.sampled_from(sorted(HASHES.values())))),
)
def test_the_sets_do_not_overlap_and_account_for_every_row(
    history: list[dict[str, Any]], rows: list[Row], documents: list[tuple[str, str]]
) -> None:
    attempted = {event["id"] for event in history if event["event"] == "attempt"}
    events = [event for event in history if event["id"] in attempted]
    result: Comparison = compare(events, rows, documents)
    acknowledged = {event["id"] for event in events if event["event"] == "ack"}
    present = {found.id for found in rows}
    assert result.attempted == len(attempted)
    assert set(result.lost_ids) <= acknowledged
    assert set(result.recovered_ids).isdisjoint(acknowledged)
    assert acknowledged - present <= set(result.lost_ids)
    everything = (
        set(result.recovered_ids) | set(result.broken_ids) | set(result.unexpected_ids) | acknowledged
    )
    assert present <= everything
    assert set(result.recovered_ids) | set(result.broken_ids) == (attempted & present) - acknowledged


def test_collect_reads_rows_and_hashes_through_the_runner() -> None:
    asked: list[list[str]] = []

    def run(argv: Any) -> str:
        asked.append(list(argv))
        if "psql" in argv:
            return f"x\t{HASHES['a']}\t2026/01/05/00/x.rhs\n"
        return f"{HASHES['a']}  /home/file/file_prod/2026/01/05/00/x.rhs\n"

    found = collect(run)
    assert found.rows == (Row("x", HASHES["a"], "2026/01/05/00/x.rhs"),)
    assert found.documents == (("2026/01/05/00/x.rhs", HASHES["a"]),)
    assert asked[0][:3] == ["runuser", "-u", "postgres"]
    assert asked[1][0] == "find"
    assert compare([attempt("x"), ack("x")], found.rows, found.documents).lost == 0
