"""The lab drill: writers write, the active node loses its power, `lpse-ops failover` runs, and the books
are compared.
"""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lpse_ops.drill.compare import collect, compare
from lpse_ops.drill.ledger import Ledger
from lpse_ops.drill.options import DrillOptions
from lpse_ops.drill.prepare import cli, command, environment, on_host, parsed, prepare
from lpse_ops.drill.writer import Pace, Target, tls_context
from lpse_ops.errors import Incomplete, StepFailed
from lpse_ops.i18n import _
from lpse_ops.lab import Lab
from lpse_ops.lab.standin.generate import open_tenders
from lpse_ops.papers.drill_report import judge
from lpse_ops.site import enter_network, load_site
from lpse_ops.waiting import scaled, wait_until

Report = Callable[[str], None]
OLD, NEW = "node1", "node2"
RECOVERY_S = 240.0  # the ledger must be acknowledged again within this time after the power cut


@dataclass(frozen=True)
class Outage:
    """What happened around the power cut: times in seconds since 1970, the failover's own report, the first
    write after.
    """

    power_cut: float
    command_started: float
    first_write: float | None
    failover: dict[str, Any]


def run(options: DrillOptions, report: Report) -> dict[str, Any]:
    """Given the options, do the whole drill from nothing; return its report.

    The lab is taken down unless `keep`.
    """
    lab = prepare(options, report)
    try:
        return drill(lab, options, report)
    finally:
        if not options.keep:
            lab.down()


def drill(lab: Lab, options: DrillOptions, report: Report) -> dict[str, Any]:
    """Given a protected lab site with data, cut the power under load, fail over, verify and compare; return the report.

    This process enters the lab's controller network. Raise StepFailed if a command of the drill fails.
    """
    began = time.time()
    site = load_site(f"lab:{lab.name}")
    enter_network(site)
    options.folder.mkdir(parents=True, exist_ok=True)
    book = options.folder / "ledger.jsonl"
    book.unlink(missing_ok=True)
    target = Target(
        address=str(site.service.address),
        server_name=site.service.server_name,
        tenders=open_tenders(options.tenders),
        tls=tls_context(site.folder / "artifacts" / "tls" / "ca.crt"),
        context_path=site.instance.context_path,
    )
    ledger = Ledger(book, target, Pace(writers=options.writers))
    with ledger:
        outage = _under_load(lab, ledger, options, report)
    # Compared before the verification, which writes an offer of its own.
    report(_("Comparing the ledger with what the surviving node holds ..."))
    found = collect(lambda argv: on_host(lab, NEW, argv), documents=str(site.instance.documents))
    comparison = compare(_events(book), found.rows, found.documents)
    report(_("Verifying the surviving hosts ..."))
    verification = command(lab, "verify", NEW, site.repository.name, expect=(0, 7))
    result = _result(options, outage, comparison.as_dict(), verification)
    result["drill"]["seconds"] = round(time.time() - began, 1)
    result["notices"] = ledger.notices.count
    result["findings"] = judge(result)
    result["passed"] = not result["findings"]
    return result


def _under_load(lab: Lab, ledger: Ledger, options: DrillOptions, report: Report) -> Outage:
    report(_("Writing for %(seconds).0f s before the power cut ...") % {"seconds": options.before_s})
    _let_it_write(ledger, options.before_s - options.cut_links_s)
    if options.cut_links_s:
        report(_("Cutting the link between the nodes ..."))
        lab.partition(OLD, NEW)
        _let_it_write(ledger, options.cut_links_s)
    lab.power_cut(OLD)
    cut = time.time()
    report(_("The power of %(node)s is cut. Failing over ...") % {"node": OLD})
    started = time.time()
    done = subprocess.run(
        cli(lab, "failover", "--yes"),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment(),
    )
    failover = parsed(("failover", "--yes"), done, (Incomplete.exit_code,))
    wait_until(lambda: ledger.first_ack_after(cut) is not None, RECOVERY_S)
    report(_("Writing for %(seconds).0f s after it ...") % {"seconds": options.after_s})
    _let_it_write(ledger, options.after_s)
    return Outage(cut, started, ledger.first_ack_after(started), failover)


def _let_it_write(ledger: Ledger, seconds: float) -> None:
    """Let the writers work for a while; raise StepFailed if the service acknowledges nothing meanwhile."""
    before = ledger.acknowledged
    threading.Event().wait(seconds)  # the load itself, not a wait for something
    if seconds >= 1 and not wait_until(lambda: ledger.acknowledged > before, scaled(10)):
        raise StepFailed(
            _("The service acknowledges no writes."),
            reasons=[f"{reason}: {count}" for reason, count in ledger.failures.items()],
            hint=_("Look at `lpse-ops status` and at the application's log."),
        )


def _result(
    options: DrillOptions, outage: Outage, comparison: dict[str, Any], verification: dict[str, Any]
) -> dict[str, Any]:
    failover = outage.failover
    rto = None if outage.first_write is None else outage.first_write - outage.command_started
    floor = float(failover["floor_s"])
    return {
        "drill": {
            "name": options.name,
            "release": options.release,
            "replication": options.replication,
            "writers": options.writers,
            "writer_seconds": options.writers * (options.before_s + options.after_s),
            "cut_links_s": options.cut_links_s,
            "start_seconds": options.start_seconds,
            "power_cut": round(outage.power_cut, 3),
        },
        "run": failover["run"],
        **{
            key: comparison[key]
            for key in ("attempted", "acknowledged", "lost", "unexpected", "recovered", "broken")
        },
        "comparison": comparison,
        "stated_loss": failover["stated_loss"],
        "verification": {key: verification[key] for key in ("passed", "failed", "skipped")},
        "verification_findings": verification.get("findings", []),
        "rto_s": None if rto is None else round(rto, 3),
        "floor_s": floor,
        "overhead_s": None if rto is None else round(rto - floor, 3),
        "serving_s": failover["rto_s"],
        "critical_path": failover["critical_path"],
        "timings": failover["timings"],
        "steps": failover["steps"],
    }


def _events(book: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in book.read_text().splitlines()]
