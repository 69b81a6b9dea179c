"""One row of the sweep: a fault, a controller killed at one moment of one step, a resume, and the invariants."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lpse_ops.drill.ledger import Ledger
from lpse_ops.drill.options import DrillOptions
from lpse_ops.drill.prepare import load, on_host
from lpse_ops.drill.writer import Pace, Target, tls_context
from lpse_ops.engine.journal import read_events
from lpse_ops.engine.runs import runs_folder
from lpse_ops.engine.status import GOOD
from lpse_ops.lab.lab import Lab
from lpse_ops.lab.standin.generate import open_tenders
from lpse_ops.site import load_site
from lpse_ops.waiting import wait_until
from tests.drills.bench import killed, lpse_ops, served_by, told
from tests.faults import invariants
from tests.faults.prober import CREATE, Prober
from tests.faults.scenarios import Scenario
from tests.lab.conftest import bring_to, settle

STATE = "sweep"
MOMENTS = ("before", "during", "inside", "after")
IRREVERSIBLE_ONLY = ("during",)  # elsewhere it is no other moment than `before` for what it leaves behind
THOROUGH = "inside"  # of irreversible steps; a look at everything takes as long as the rest of a row
SECOND = {"LPSE_OPS_LAB_CONTROLLER": "controller2"}
CONTROLLERS = ("controller", "controller2")
TENDERS = open_tenders(DrillOptions.tenders)
LIGHT = Pace(writers=2, rate=3.0)
BEFORE_S = 2.0


@dataclass
class Row:
    """One run of the sweep and what it violated. `thorough`: all of `lpse-ops verify` is asked in the end, too."""

    scenario: str
    cause: str
    step: str
    moment: str
    controller: str
    thorough: bool = False
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What the row is called where it is chosen and shown."""
        return f"{self.scenario}, {self.cause}: {self.moment} {self.step}, {self.controller}"


def ready(lab: Lab) -> None:
    """Bring a lab to the state every row begins with: protected, with data, nobody's journals."""
    lab.heal()
    if STATE in lab.snapshots():
        lab.reset(STATE)
    else:
        bring_to(lab, "protected")
        load(lab, "node1", DrillOptions(documents=20))
        psql = ["runuser", "-u", "postgres", "--", "psql", "-qAtX", "-d", "epns_prod", "-c", CREATE]
        on_host(lab, "node1", psql)
        assert wait_until(lambda: lpse_ops(lab, "status").returncode == 0, 60)
        lab.snapshot(STATE)
    settle(lab, "protected")
    for folder in journals(lab):
        for path in folder.glob("*"):
            path.unlink()


def target(lab: Lab) -> Target:
    """Return where the ledger's writers of a lab send their offers."""
    site = load_site(f"lab:{lab.name}", secrets=False)
    return Target(
        address=str(site.service.address),
        server_name=site.service.server_name,
        tenders=TENDERS,
        tls=tls_context(site.folder / "artifacts" / "tls" / "ca.crt"),
        context_path=site.instance.context_path,
    )


def steps_of(lab: Lab, scenario: Scenario) -> list[dict[str, Any]]:
    """Return the steps of the plan that a scenario leads to, as its own `--plan` tells them; the lab is used up."""
    ready(lab)
    next(iter(scenario.causes.values()))(lab)
    plan = told(lpse_ops(lab, *scenario.words, "--plan"))
    return list(plan["steps"])


def rows_of(scenario: Scenario, steps: Sequence[Mapping[str, Any]], turn: int = 0) -> list[Row]:
    """Given a plan's steps, return its rows; every second one is resumed on the other controller."""
    rows: list[Row] = []
    for step in steps:
        for moment in MOMENTS:
            if moment in IRREVERSIBLE_ONLY and not step["irreversible"]:
                continue
            number = len(rows) + turn
            controller = CONTROLLERS[number % 2]
            cause = list(scenario.causes)[number // 2 % len(scenario.causes)]
            thorough = moment == THOROUGH and bool(step["irreversible"])
            rows.append(Row(scenario.name, cause, step["id"], moment, controller, thorough))
    return rows


def run(lab: Lab, scenario: Scenario, row: Row, folder: Path) -> Row:
    """Run one row in a lab; return it with its seconds and violations. This process is in the lab's network."""
    began = time.monotonic()
    ready(lab)
    in_memory = invariants.in_memory()
    book = folder / f"ledger-{os.getpid()}.jsonl"
    book.unlink(missing_ok=True)
    faults = row.violations
    with Prober(lab, TENDERS[0]) as prober, Ledger(book, target(lab), LIGHT) as ledger:
        time.sleep(BEFORE_S)  # the load itself, not a wait for something
        wait_until(lambda: ledger.acknowledged and not invariants.prober_saw(prober, scenario.old), 30)
        if not ledger.acknowledged:
            faults.append(f"the service acknowledged nothing before the fault: {ledger.failures}")
        scenario.causes[row.cause](lab)
        cut = time.time()
        _command_and_resume(lab, scenario, row)
        if not faults and not wait_until(lambda: ledger.first_ack_after(cut) is not None, 30):
            faults.append(f"the service acknowledges nothing afterwards: {ledger.failures}")
        wait_until(lambda: faults or not invariants.prober_saw(prober, scenario.new), 15)
    events = _history(lab, row)
    if not faults:
        # An unwitnessed epoch reaches the repository a moment later.
        wait_until(lambda: served_by(lab, scenario.new) == [], 30, every=0.5)
        faults += [f"not served: {what}" for what in served_by(lab, scenario.new)]
        faults += invariants.one_writer(prober.writes, scenario.old, proven_at(events))
        books = invariants.books_of(lab, book, prober, scenario.new)
        allowed = invariants.stated(events)
        faults += invariants.loss_as_stated(books, allowed)
        faults += invariants.prober_saw(prober, scenario.old, scenario.new)
        both = ({}, SECOND) if row.controller == CONTROLLERS[1] else ({},)
        faults += invariants.journal_intact(lab, *both)
        faults += invariants.nothing_left(lab, in_memory)
        if row.thorough:
            lab.heal()
            faults += invariants.verified(lab, books, prober.ids, allowed, scenario.new, "repository")
    row.seconds = round(time.monotonic() - began, 1)
    return row


def _command_and_resume(lab: Lab, scenario: Scenario, row: Row) -> None:
    dead = lpse_ops(lab, *scenario.words, "--yes", LPSE_OPS_KILL_AT=f"{row.moment}:{row.step}")
    if not killed(dead):
        row.violations.append(f"not killed, but ended with {dead.returncode}: {dead.stdout[-500:]}")
        return
    where, words = ({}, []) if row.controller == CONTROLLERS[0] else (SECOND, ["--from", scenario.copy_on])
    done = lpse_ops(lab, "resume", *words, "--yes", **where)
    if done.returncode != 5:
        row.violations.append(
            f"resume ended with {done.returncode}: {done.stdout[-1500:]}{done.stderr[-500:]}"
        )


def _history(lab: Lab, row: Row) -> list[dict[str, Any]]:
    """The events of the run, from the controller that finished it."""
    folder = dict(zip(CONTROLLERS, journals(lab), strict=True))[row.controller]
    found = sorted(folder.glob("*.jsonl"))
    return read_events(found[-1]) if found else []


def journals(lab: Lab) -> list[Path]:
    """Return where each of `CONTROLLERS` keeps its journals."""
    first = runs_folder(load_site(f"lab:{lab.name}", secrets=False))
    return [first.parent / controller for controller in CONTROLLERS]


def proven_at(events: Sequence[Mapping[str, Any]]) -> float | None:
    """Given the events of a run, return when the proofs of the old node's death were together, None: never."""
    gates = [event for event in events if event["type"] == "outcome" and event["step"] == "fence.gate"]
    times = [event["time"] for event in gates if event["status"] in GOOD]
    return float(times[0]) if times else None
