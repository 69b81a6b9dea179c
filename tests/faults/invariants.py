"""What must hold whatever was done to a failover: each function returns what does not, as sentences."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lpse_ops.drill.compare import Comparison, collect, compare
from lpse_ops.drill.prepare import on_host
from lpse_ops.lab.lab import Lab
from lpse_ops.papers.run_report import run_report
from lpse_ops.waiting import wait_until
from tests.drills.bench import lpse_ops, told
from tests.faults.prober import WHAT, Prober, Write

DOCUMENTS = "test_documents.py::test_documents_equal_the_database"
DOCUMENT = re.compile(r"([0-9a-f-]{36})\.rhs")
HOSTS = ("node1", "node2", "repository")
# Whatever lpse-ops may leave on a host: helpers at work, the lock, their scratch folders.
LEFT = (
    "pgrep -af '/usr/local/sbin/lpse-node (lock|journal-append|promote|epoch|activate|claim|application)' || true; "
    "flock -n /run/lpse/lock true || echo 'the lock is held'; "
    "ls -d /run/lpse/work.* 2>/dev/null || true"
)


def one_writer(writes: Sequence[Write], old: str, proven_at: float | None) -> list[str]:
    """Given the writes that were taken and when the old node's death was proven, return writes that must not be."""
    found = []
    if proven_at is not None:
        late = [write for write in writes if write.node == old and write.at > proven_at]
        if late:
            found.append(
                f"{old} took {len(late)} writes after its death was proven, the first {late[0].at - proven_at:.2f} s "
                f"after ({late[0].what})"
            )
    first_new = next((write.at for write in writes if write.node != old), None)
    if first_new is not None:
        beside = [write for write in writes if write.node == old and write.at > first_new]
        if beside:
            found.append(f"{old} took {len(beside)} writes after another node had begun to take them")
    return found


def prober_saw(prober: Prober, *nodes: str) -> list[str]:
    """Return the nodes that took no write of the prober, into the database and into the application, at any time.

    Each of them was active for a while; a prober that never got through would prove nothing.
    """
    reached = {(write.node, write.what) for write in prober.writes}
    return [
        f"the prober never reached the {what} of {node}: it proved nothing"
        for node in nodes
        for what in WHAT
        if (node, what) not in reached
    ]


def stated(events: Iterable[dict[str, Any]]) -> int | None:
    """Given the events of a run, return how many documents it said could be lost, None if it said nothing."""
    loss = run_report(list(events))["stated_loss"]
    return None if loss is None else loss["documents"]


def books_of(lab: Lab, ledger: Path, prober: Prober, new: str) -> Comparison:
    """Given the ledger of a run, return what became of its offers on the node that serves now."""
    found = collect(lambda argv: on_host(lab, new, argv))
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    return compare(lines, found.rows, found.documents, known=prober.ids)


def loss_as_stated(books: Comparison, allowed: int | None) -> list[str]:
    """Given what became of the offers and how many may be lost, return what was lost beyond, or came from nowhere."""
    faults = []
    if books.lost and (allowed is None or books.lost > allowed):
        faults.append(f"{books.lost} acknowledged offers are lost, {allowed} were stated: {books.lost_ids}")
    if books.unexpected:
        faults.append(f"{books.unexpected} offers are there that nobody made: {books.unexpected_ids}")
    if not books.acknowledged:
        faults.append("the ledger has no acknowledged offer: nothing was tested")
    return faults


def journal_intact(lab: Lab, *environments: dict[str, str]) -> list[str]:
    """Return what `journal verify` finds on each controller that took part."""
    faults = []
    for environment in environments:
        done = lpse_ops(lab, "journal", "verify", **environment)
        if done.returncode != 0:
            where = environment.get("LPSE_OPS_LAB_CONTROLLER", "controller")
            faults.append(f"journal verify on {where} ended with {done.returncode}: {done.stdout[-600:]}")
    return faults


def verified(
    lab: Lab, books: Comparison, probed: Collection[str], allowed: int | None, *hosts: str
) -> list[str]:
    """Return what `verify` finds on these hosts, but for documents that are missing within the statement.

    It writes an offer of its own, so the books are closed before.
    """
    done = lpse_ops(lab, "verify", *hosts)
    if done.returncode == 0:
        return []
    findings = told(done).get("findings", [])
    found = [f["message"] for f in findings if not is_stated_loss(f, books, probed, allowed)]
    if findings and not found:
        return []
    return [f"verify ended with {done.returncode}: {found or told(done)}"]


def is_stated_loss(
    finding: Mapping[str, Any], books: Comparison, probed: Collection[str], allowed: int | None
) -> bool:
    """Tell whether a finding of `verify` is nothing but a loss that was stated: documents that are missing.

    They belong to offers that the books count as lost or that nobody was promised, or are the prober's (`probed`), as
    far as `allowed` has room for them.
    """
    named = set(DOCUMENT.findall(str(finding["message"])))
    others = named - books.lost_ids.keys() - books.broken_ids.keys()
    room = (allowed or 0) - books.lost
    return (
        str(finding["id"]).startswith(DOCUMENTS)
        and bool(named)
        and others <= set(probed)
        and len(others) <= max(0, room)
    )


def nothing_left(lab: Lab, before: set[str]) -> list[str]:
    """Return what is still at work or lies about; `before`: names in the memory file system when the run began."""
    faults: list[str] = []

    def clean() -> bool:
        faults.clear()
        for host in HOSTS:
            if lab.is_on(host):
                left = lab.run(host, ["sh", "-c", LEFT]).stdout.strip()
                faults.extend(f"{host}: {line}" for line in left.splitlines())
        faults.extend(f"in memory: {name}" for name in sorted(in_memory() - before))
        return not faults

    # What a killed controller had under way on a host may end a moment later.
    wait_until(clean, 30, every=0.5)
    return list(faults)


def in_memory() -> set[str]:
    """Return the names of our files in the file system in memory, where passwords for programs lie."""
    return {path.name for path in Path("/dev/shm").glob("lpse-ops-*")}  # noqa: S108
