"""Reports are views of a journal: times from the process' start, floor and overhead, verdicts with their reasons."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from lpse_ops.i18n import set_language
from lpse_ops.papers import drill_report, run_report
from lpse_ops.plan import Plan, Step

START = 1_790_000_000.0


def step(step_id: str, *needs: str, **fields: Any) -> Step:
    return Step(step_id, f"do {step_id}", "node2", "noop", 5, needs=needs, no_undo="x", **fields)


PLAN = Plan(
    "failover",
    "lab",
    (
        step("fence.power-still-off", floor="wait", floor_s=2.0),
        step("loss.state"),
        step("database.promote", "fence.power-still-off", floor="act"),
        step("application.start", "fence.power-still-off", floor="act"),
        step("proxy.open", "database.promote", "application.start", "loss.state"),
    ),
    hosts=("node2", "repository"),
)
LOSS = {"seconds": 1.5, "wal_bytes": 4096, "documents": 3}


def intent(step_id: str, at: float) -> dict[str, Any]:
    return {"type": "intent", "step": step_id, "time": START + at}


def outcome(step_id: str, at: float, seconds: float, **more: Any) -> dict[str, Any]:
    return {
        "type": "outcome",
        "step": step_id,
        "time": START + at,
        "seconds": seconds,
        "status": "done",
    } | more


def events() -> list[dict[str, Any]]:
    return [
        {
            "type": "run-started",
            "run": "r1",
            "time": START + 0.5,
            "plan": PLAN.to_json(),
            "process_started": START,
            "timings": {"load": 0.1, "observe": 0.3},
        },
        intent("fence.power-still-off", 0.5),
        intent("loss.state", 0.5),
        outcome("loss.state", 0.75, 0.25, facts=LOSS),
        outcome("fence.power-still-off", 2.75, 2.25, facts={}),
        intent("database.promote", 3.0),
        intent("application.start", 3.0),
        outcome("database.promote", 3.5, 0.5, facts={"seconds": 0.2}),
        outcome("application.start", 9.0, 6.0, facts={"seconds": 5.0}),
        intent("proxy.open", 9.0),
        outcome("proxy.open", 9.25, 0.25, facts={}),
        {"type": "run-ended", "status": "incomplete", "time": START + 9.5},
    ]


def test_times_floor_and_loss_of_a_run() -> None:
    report = run_report.run_report(events())
    assert (report["run"], report["status"], report["resumed"]) == ("r1", "incomplete", 0)
    # Floor: 2 s of declared waiting and the 5 s that the host itself took for the application.
    assert (report["rto_s"], report["floor_s"], report["overhead_s"]) == (9.25, 7.0, 2.25)
    assert report["critical_path"] == ["fence.power-still-off", "application.start", "proxy.open"]
    assert {key: report["stated_loss"][key] for key in LOSS} == LOSS
    assert [s["started_s"] for s in report["steps"]] == [0.5, 0.5, 3.0, 3.0, 9.0]
    text = run_report.as_text(report)
    assert "Serving after 9.25 s (floor 7.00 s, overhead 2.25 s)" in text
    assert "3 documents at most" in text


def test_a_run_that_stopped_has_no_rto_and_says_where() -> None:
    began = events()[:8]
    failed = outcome("database.promote", 3.5, 0.5, status="failed", error={"message": "no space left"})
    report = run_report.run_report([*began[:-1], failed])
    assert report["rto_s"] is report["overhead_s"] is None
    by_id = {s["id"]: s for s in report["steps"]}
    assert by_id["database.promote"]["status"] == "failed"
    assert by_id["application.start"]["status"] == "unknown"  # begun, never told how it ended
    assert "proxy.open" not in by_id
    assert "no space left" in run_report.as_text(report)


def drill(**changes: Any) -> dict[str, Any]:
    run = run_report.run_report(events())
    report: dict[str, Any] = {
        "drill": {"name": "d", "release": "12", "replication": "async", "writer_seconds": 240.0},
        "acknowledged": 900,
        "lost": 2,
        "unexpected": 0,
        "recovered": 1,
        "broken": 0,
        "verification": {"passed": 100, "failed": 0, "skipped": 0},
        **{
            k: run[k]
            for k in ("run", "stated_loss", "rto_s", "floor_s", "overhead_s", "critical_path", "steps")
        },
    }
    report = copy.deepcopy(report) | changes
    report["findings"] = drill_report.judge(report)
    return report | {"passed": not report["findings"]}


def test_a_drill_within_its_statement_passes() -> None:
    assert drill()["findings"] == []
    assert drill(lost=3)["passed"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"acknowledged": 0}, "Only 0 writes"),
        ({"acknowledged": 499}, "fewer than 500"),
        ({"unexpected": 1}, "nobody attempted"),
        ({"lost": 4}, "at most 3 were stated"),
        ({"stated_loss": None}, "could not state"),
        ({"stated_loss": LOSS | {"documents": None}}, "could not state"),
        ({"verification": {"passed": 99, "failed": 1, "skipped": 0}}, "1 failed"),
        ({"verification": {"passed": 99, "failed": 0, "skipped": 1}}, "1 skipped"),
        ({"verification": {"passed": 0, "failed": 0, "skipped": 0}}, "0 passed"),
        ({"verification": {"passed": 59, "failed": 0, "skipped": 0}}, "59 passed"),
        ({"rto_s": None, "overhead_s": None}, "after the failover"),
    ],
)
def test_what_speaks_against_a_drill_is_said(changes: dict[str, Any], words: str) -> None:
    report = drill(**changes)
    assert not report["passed"]
    assert [words in finding for finding in report["findings"]] == [True]
    assert report["findings"][0] in drill_report.as_text(report)


def test_what_is_half_there_is_said_and_what_verification_found_is_named() -> None:
    verification = {"passed": 99, "failed": 1, "skipped": 0}
    report = drill(
        broken=2, verification=verification, verification_findings=[{"message": "node2: no x.rhs"}]
    )
    assert report["findings"][1:] == ["node2: no x.rhs"]
    text = drill_report.as_text(report)
    assert "half there (a row without its document): 2." in text
    assert "node2: no x.rhs" in text
    assert "half there" not in drill_report.as_text(drill())


@pytest.mark.parametrize(("language", "title"), [("en", "Recovery drill report"), ("id", "Laporan")])
def test_the_page_needs_nothing_else(tmp_path: Path, language: str, title: str) -> None:
    set_language(language)
    try:
        report = drill(
            drill={"name": "<script>", "release": "12", "replication": "async", "writer_seconds": 240.0}
        )
        json_path, html_path = drill_report.write(report, tmp_path / "new" / "folder")
    finally:
        set_language("en")
    assert json.loads(json_path.read_text()) == report
    page = html_path.read_text()
    assert title in page
    assert "<script>" not in page
    assert not {word for word in ("http://", "https://", " src=", "@import", "url(") if word in page}
    assert all(s["title"] in page for s in report["steps"])
