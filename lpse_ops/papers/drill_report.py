"""The report of a drill: was anything lost that was not stated, how long did it take, where did the seconds go."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lpse_ops.content import content_root
from lpse_ops.i18n import _, language

Report = dict[str, Any]

# A drill with little load or few checks would pass by saying little. Four writers for 60 s acknowledge about 1500 on
# two slow cores (docs/performance.md); a verification of two hosts makes about 200 checks.
ENOUGH_ACKNOWLEDGED_PER_WRITER_SECOND = 500 / 240
ENOUGH_VERIFIED = 60


def judge(report: Mapping[str, Any]) -> list[str]:
    """Given a drill's report, return everything that speaks against it (an empty list: the drill passed)."""
    stated, verification = report["stated_loss"] or {}, report["verification"]
    documents = stated.get("documents")
    findings = []
    enough = round(report["drill"]["writer_seconds"] * ENOUGH_ACKNOWLEDGED_PER_WRITER_SECOND)
    if report["acknowledged"] < max(1, enough):
        findings.append(
            _(
                "Only %(n)s writes were acknowledged; a drill of this length proves little with fewer than %(enough)s."
            )
            % {"n": report["acknowledged"], "enough": max(1, enough)}
        )
    if report["unexpected"]:
        findings.append(_("%(n)s writes are there that nobody attempted.") % {"n": report["unexpected"]})
    if report["lost"] and documents is None:
        findings.append(
            _(
                "%(lost)s acknowledged writes are lost, and the failover could not state how many documents may be."
            )
            % {"lost": report["lost"]}
        )
    elif report["lost"] > (documents or 0):
        findings.append(
            _("%(lost)s acknowledged writes are lost, but at most %(stated)s were stated.")
            % {"lost": report["lost"], "stated": documents}
        )
    if verification["failed"] or verification["skipped"] or verification["passed"] < ENOUGH_VERIFIED:
        findings.append(
            _("Verification: %(passed)s passed, %(failed)s failed, %(skipped)s skipped.") % verification
        )
        findings += [str(finding["message"]) for finding in report.get("verification_findings", ())]
    if report["rto_s"] is None:
        findings.append(_("No write was acknowledged after the failover."))
    return findings


def write(report: Report, folder: Path) -> tuple[Path, Path]:
    """Given a report and a folder, write ``report.json`` and a self-contained ``report.html`` there; return
    both paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    json_path, html_path = folder / "report.json", folder / "report.html"
    json_path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    html_path.write_text(as_html(report))
    return json_path, html_path


def as_html(report: Report) -> str:
    """Given a report, return one page of HTML that needs nothing else: figures and the timeline of the steps."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(content_root() / "templates" / "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("drill.html.j2")
    return template.render(report=report, labels=_labels(), rows=_rows(report), language=language())


def as_text(report: Report) -> str:
    """Given a report, return it as lines for a terminal."""
    stated = report["stated_loss"] or {"seconds": "?", "wal_bytes": "?", "documents": "?"}
    lines = [_("Drill %(name)s on Debian %(release)s, replication %(replication)s") % report["drill"]]
    for step in report["steps"]:
        lines.append(
            f"  {step['started_s']:8.3f} s  {step['title']} [{step['host']}]  "
            f"{step['seconds']:.3f} s  {step['status']}"
        )
    lines += [
        _(
            "Writes: %(acknowledged)s acknowledged, %(lost)s lost, %(unexpected)s unexpected, "
            "%(recovered)s recovered."
        )
        % report,
        _(
            "Stated before the point of no return: %(seconds)s s, %(wal_bytes)s bytes, %(documents)s documents."
        )
        % stated,
        _("Verification: %(passed)s passed, %(failed)s failed, %(skipped)s skipped.")
        % report["verification"],
    ]
    if report["broken"]:
        # They came over with the log in the moment of the power cut; verification names those among the newest rows.
        lines.append(
            _("Never acknowledged, and half there (a row without its document): %(broken)s.") % report
        )
    if report["rto_s"] is not None:
        lines.append(_("RTO %(rto_s).2f s = floor %(floor_s).2f s + overhead %(overhead_s).2f s.") % report)
    lines += [_("Result: %(result)s") % {"result": _("passed") if report["passed"] else _("FAILED")}]
    return "\n".join([*lines, *(f"  - {finding}" for finding in report["findings"])])


def _rows(report: Report) -> list[dict[str, Any]]:
    """The timeline: every step as a bar between the begin of the command and the first acknowledged write."""
    end = max(
        [step["started_s"] + step["seconds"] for step in report["steps"]] + [report["rto_s"] or 0, 0.001]
    )
    critical = set(report.get("critical_path", ()))
    return [
        {
            **step,
            "left": 100 * step["started_s"] / end,
            "width": max(0.3, 100 * step["seconds"] / end),
            "critical": step["id"] in critical,
        }
        for step in report["steps"]
    ]


def _labels() -> dict[str, str]:
    return {
        "title": _("Recovery drill report"),
        "standin": _(
            "The application in this lab is a stand-in with SPSE's layout and behaviour; SPSE itself is handed "
            "out by LKPP only."
        ),
        "result": _("Result"),
        "passed": _("passed"),
        "failed": _("FAILED"),
        "writes": _("Acknowledged writes"),
        "lost": _("lost"),
        "unexpected": _("unexpected"),
        "recovered": _("recovered without acknowledgement"),
        "stated": _("Stated before the point of no return"),
        "seconds": _("seconds"),
        "wal": _("bytes of WAL"),
        "documents": _("documents"),
        "time": _("Time to recover (RTO)"),
        "floor": _("floor"),
        "overhead": _("overhead"),
        "verification": _("Verification"),
        "verified": _("passed / failed / skipped"),
        "timeline": _("Timeline"),
        "step": _("Step"),
        "host": _("Host"),
        "start": _("Begin"),
        "duration": _("Duration"),
        "critical": _("on the critical path"),
        "run": _("Run"),
        "made": _("Made %(when)s") % {"when": time.strftime("%Y-%m-%d %H:%M:%S %Z")},
    }
