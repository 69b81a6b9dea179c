"""What became of every offer of a ledger: pure comparison, and the collecting of what the surviving node holds."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

# Runs a command as root on the surviving node and returns its standard output; raises if it fails.
Runner = Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class Row:
    """An offer in the database: its id, the hash of its document, the document's path below the tree ("": unknown)."""

    id: str
    sha256: str
    path: str = ""


@dataclass(frozen=True)
class Found:
    """What a node holds: rows of offers, and documents as (path below the tree, sha256)."""

    rows: tuple[Row, ...]
    documents: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Comparison:
    """The sets of a drill. A retry of an unacknowledged id is the same attempt.

    lost: acknowledged, but row or document missing or different (`lost_ids`: id -> why).
    unexpected: a row is present that was never attempted.
    recovered: attempted, unacknowledged, row and document present and right.
    broken: attempted, unacknowledged, row present, but document missing or different.
    orphans: attempted, unacknowledged, a document without a row.
    """

    attempted: int
    acknowledged: int
    lost: int
    unexpected: int
    recovered: int
    broken: int
    orphans: int
    lost_ids: dict[str, str]
    unexpected_ids: tuple[str, ...]
    recovered_ids: tuple[str, ...]
    broken_ids: dict[str, str]
    newest_lost: float | None
    oldest_lost: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for a report; times are those of the lost offers' acknowledgements, seconds since 1970."""
        return asdict(self)


def compare(
    events: Iterable[dict[str, Any]],
    rows: Iterable[Row],
    documents: Iterable[tuple[str, str]],
    known: Iterable[str] = (),
) -> Comparison:
    """Given a ledger's events and what was found, tell what became of every offer. Pure.

    `known` are ids of rows that others wrote and that are therefore not unexpected. A row found twice counts as
    different. Documents that belong to no attempted offer are nobody's business here.
    """
    attempts: dict[str, str] = {}
    acks: dict[str, float] = {}
    for event in events:
        if event["event"] == "attempt":
            attempts.setdefault(event["id"], event["sha256"])
        elif event["event"] == "ack":
            acks.setdefault(event["id"], event["t"])
    stock = _Stock(rows, documents)
    faults = {offer: stock.fault(offer, sha256) for offer, sha256 in attempts.items()}
    lost = {offer: fault for offer, fault in faults.items() if fault and offer in acks}
    open_ids = [offer for offer in attempts if offer not in acks]
    present = [offer for offer in open_ids if offer in stock.rows]
    recovered = tuple(offer for offer in present if not faults[offer])
    broken = {offer: fault for offer in present if (fault := faults[offer])}
    orphans = [offer for offer in open_ids if offer not in stock.rows and offer in stock.named]
    unexpected = tuple(sorted(stock.rows.keys() - attempts.keys() - set(known)))
    moments = [acks[offer] for offer in lost]
    return Comparison(
        attempted=len(attempts),
        acknowledged=len(acks),
        lost=len(lost),
        unexpected=len(unexpected),
        recovered=len(recovered),
        broken=len(broken),
        orphans=len(orphans),
        lost_ids=lost,
        unexpected_ids=unexpected,
        recovered_ids=recovered,
        broken_ids=broken,
        newest_lost=max(moments, default=None),
        oldest_lost=min(moments, default=None),
    )


class _Stock:
    def __init__(self, rows: Iterable[Row], documents: Iterable[tuple[str, str]]) -> None:
        self.rows: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            self.rows[row.id].append(row)
        self.paths: dict[str, str] = {}
        self.named: dict[str, list[str]] = defaultdict(list)
        for path, sha256 in documents:
            self.paths[path] = sha256
            self.named[PurePosixPath(path).stem].append(sha256)

    def fault(self, offer: str, sha256: str) -> str:
        """Why the offer is not whole here; "" if it is."""
        if offer not in self.rows:
            return "row missing"
        rows = self.rows[offer]
        if len(rows) > 1 or rows[0].sha256 != sha256:
            return "row differs"
        path = rows[0].path
        hashes = [self.paths[path]] if path in self.paths else [] if path else self.named.get(offer, [])
        if not hashes:
            return "document missing"
        return "" if sha256 in hashes else "document differs"


def collect(run: Runner, *, database: str = "epns_prod", documents: str = "/home/file/file_prod") -> Found:
    """Given a runner for the surviving node, read the offers that came through the service; hash the documents.

    Rows: those with an idempotency key (generated data has none). Documents: every ``*.rhs`` below `documents`
    (unfinished uploads have no such name). Raise what the runner raises.
    """
    query = (
        "SELECT dok_kunci, att_sha256, att_path FROM dok_penawaran"
        " LEFT JOIN standin_attachment ON att_id = dok_id_attachment WHERE dok_kunci IS NOT NULL"
    )
    psql = [
        "runuser",
        "-u",
        "postgres",
        "--",
        "psql",
        "--no-psqlrc",
        "-qAtX",
        "-F",
        "\t",
        "-d",
        database,
        "-c",
        query,
    ]
    rows = tuple(Row(*line.split("\t")) for line in run(psql).splitlines() if line)
    find = ["find", documents, "-type", "f", "-name", "*.rhs", "-exec", "sha256sum", "{}", "+"]
    prefix = documents.rstrip("/") + "/"
    found = (line.split("  ", 1) for line in run(find).splitlines() if line)
    return Found(rows, tuple((path.removeprefix(prefix), sha256) for sha256, path in found))
