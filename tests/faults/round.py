"""One round of the soak: what is drawn, done, mended and checked.

A round that comes home leaves a protected site; the next one begins there, with the nodes in each other's part if a
failover has changed them.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lpse_ops.drill.compare import collect
from lpse_ops.drill.ledger import Ledger
from lpse_ops.drill.prepare import cli, on_host
from lpse_ops.engine.journal import read_events
from lpse_ops.engine.status import ENDED, last_status
from lpse_ops.errors import LabError, LpseError
from lpse_ops.lab.lab import Lab
from lpse_ops.waiting import wait_until
from tests.drills.bench import ROOT, lpse_ops, served_by, told
from tests.faults import invariants
from tests.faults.books import Books
from tests.faults.home import bring_home
from tests.faults.prober import Prober
from tests.faults.row import CONTROLLERS, LIGHT, TENDERS, journals, proven_at, ready, target
from tests.faults.troubles import TROUBLES, mend
from tests.support.plans import sample_steps

MOMENTS = ("before", "during", "inside", "after")
NODES = ("node1", "node2")
MEND_S = 180
COMES_HOME = 0.6  # how many rounds end protected
PROTECT_KILLED = 0.3  # in how many of them the first attempt to protect is killed


@dataclass
class Record:
    """What a round did and what it violated.

    `active`: which node was active when it began. `ended`: which node serves in the end. `home`: the site is protected
    again, and the next round may go on from there.
    """

    number: int
    active: str = NODES[0]
    sequence: list[str] = field(default_factory=list)
    ended: str = "?"
    home: bool = False
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


class Round:
    """A round in a lab; call `ready`, then `play`. `books` are those of all rounds."""

    def __init__(self, lab: Lab, dice: random.Random, folder: Path, number: int, books: Books) -> None:
        self.record = Record(number)
        self._books = books
        self._old, self._new = NODES
        self._lab = lab
        self._dice = dice
        self._folder = folder
        self._asleep: list[subprocess.Popen[bytes]] = []

    def ready(self, before: Record | None) -> None:
        """Bring the lab to where the round begins: where the one before it came home, else where the soak began."""
        if before is None or not before.home:
            ready(self._lab)
            self._books.forget()
            return
        self._old = self.record.active = before.ended.partition(" ")[0]
        self._new = next(node for node in NODES if node != self._old)
        for folder in journals(self._lab):
            for path in folder.glob("*"):
                path.unlink()

    def play(self) -> None:
        """Do what the dice say, mend everything, check. What cannot be done counts as a violation, too."""
        began = time.monotonic()
        try:
            self._play()
        except (LpseError, OSError, AssertionError, ValueError, subprocess.TimeoutExpired) as error:
            self._violated(f"the round broke off: {error!r}")
        self.record.home &= not self.record.violations
        self.record.seconds = round(time.monotonic() - began, 1)

    def _play(self) -> None:
        # Drawn first: how many dice the rest needs depends on what comes of it.
        comes_home = self._dice.random() < COMES_HOME
        killed_after_s = self._dice.uniform(2.0, 20.0) if self._dice.random() < PROTECT_KILLED else 0.0
        book = self._folder / f"ledger-{os.getpid()}-{self.record.number}.jsonl"
        in_memory = invariants.in_memory()
        with Prober(self._lab, TENDERS[0]) as prober, Ledger(book, target(self._lab), LIGHT) as ledger:
            time.sleep(self._dice.uniform(1.0, 3.0))  # the load itself, not a wait for something
            self._trouble()
            self._fault()
            self._commands()
            self._mend()
            self._finish_runs()
            server = self._who_serves()
            moment = time.time()
            if server and not wait_until(lambda: ledger.first_ack_after(moment) is not None, 30):
                self._violated(f"{server} serves, but acknowledges nothing: {ledger.failures}")
            wait_until(lambda: not server or not invariants.prober_saw(prober, server), 20)
            if server and comes_home and not self.record.violations:
                self._come_home(server, killed_after_s)
        if server:
            self._check(server, book, prober)
            self.record.violations += invariants.nothing_left(self._lab, in_memory)

    # What is drawn.

    def _trouble(self) -> None:
        name = self._dice.choices(list(TROUBLES), [weight for weight, _do in TROUBLES.values()])[0]
        if name != "nothing":
            self._say(f"{name} ({self._new} is the standby)")
            TROUBLES[name][1](self._lab, self._old, self._new)

    def _fault(self) -> None:
        lab = self._lab

        def cut_links_then_power() -> None:
            lab.partition(self._old, self._new)
            time.sleep(self._dice.uniform(0.5, 4.0))  # the time in which writes go to one node alone
            lab.power_cut(self._old)

        def unseen_by_the_controller() -> None:
            lab.partition(self._old, "controller")

        faults: dict[str, tuple[int, Callable[[], object]]] = {
            "power cut": (5, lambda: lab.power_cut(self._old)),
            "hangs": (3, lambda: lab.freeze(self._old, "hang")),
            "paused": (2, lambda: lab.freeze(self._old, "pause")),
            "links cut, then power": (2, cut_links_then_power),
            "PostgreSQL killed": (1, lambda: lab.kill(self._old, "postgres")),
            "application killed": (1, lambda: lab.kill(self._old, "java")),
            "cut off from the controller": (1, unseen_by_the_controller),
            "cut off from everybody": (1, lambda: lab.partition(self._old)),
            "heard by nobody": (1, lambda: lab.partition(self._old, one_way=True)),
            "disk full": (1, lambda: lab.fill_disk(self._old)),
            "nothing": (1, lambda: None),
        }
        name = self._dice.choices(list(faults), [weight for weight, _do in faults.values()])[0]
        self._say(f"{self._old}: {name}")
        faults[name][1]()

    def _commands(self) -> None:
        """One or two commands, the first one often killed somewhere; meanwhile perhaps something else happens."""
        where = self._dice.choice(CONTROLLERS)
        environment = self._environment(where)
        kill = self._dice.random() < 0.6
        if kill:
            plan = next(iter(sample_steps().values()))  # from node1 to node2
            steps = [step["id"].replace(NODES[1], self._new) for step in plan]
            at = f"{self._dice.choice(MOMENTS)}:{self._dice.choice(steps)}"
            environment["LPSE_OPS_HALT_AT" if self._dice.random() < 0.2 else "LPSE_OPS_KILL_AT"] = at
            self._say(
                f"failover from {where}, {'halted' if 'LPSE_OPS_HALT_AT' in environment else 'killed'} {at}"
            )
        else:
            self._say(f"failover from {where}")
        first = self._start(["failover", "--yes", "--accept-loss", "soak: whatever it is"], environment)
        if self._dice.random() < 0.25:
            other = self._dice.choice(CONTROLLERS)
            self._say(f"a second failover from {other} beside it")
            second = self._start(
                ["failover", "--yes", "--accept-loss", "soak: whatever it is"], self._environment(other)
            )
            self._end(second, "the second")
        meanwhile: dict[str, tuple[int, Callable[[], object]]] = {
            "nothing": (6, lambda: None),
            "power comes back": (2, lambda: self._lab.power_on(self._old, wait=False)),
            "it thaws": (1, lambda: self._lab.thaw(self._old)),
            "the application on the new node is killed": (1, lambda: self._kill(self._new, "java")),
            "PostgreSQL on the new node is killed": (1, lambda: self._kill(self._new, "postgres")),
            "the repository is cut off": (1, lambda: self._lab.partition("repository", where)),
        }
        name = self._dice.choices(list(meanwhile), [weight for weight, _do in meanwhile.values()])[0]
        if name != "nothing":
            time.sleep(self._dice.uniform(0.5, 5.0))  # somewhere in the run
            self._say(f"meanwhile {name}")
            with contextlib.suppress(LabError):  # the host may have no power by now
                meanwhile[name][1]()
        self._end(first, "the first")

    # What is done.

    def _environment(self, controller: str) -> dict[str, str]:
        return {"LPSE_OPS_LAB_CONTROLLER": controller}

    def _start(self, words: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            cli(self._lab, *words),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _end(self, process: "subprocess.Popen[bytes]", which: str) -> None:
        """Wait for a command; one that was halted is woken later, when others may have taken over."""

        def over() -> bool:
            return process.poll() is not None or _is_stopped(process.pid)

        if not wait_until(over, 150):
            self._violated(f"{which} command did not end")
            process.kill()
        if process.poll() is None and _is_stopped(process.pid):
            self._asleep.append(process)
            self._say(f"{which} sleeps")
        else:
            self._say(f"{which} ended with {process.wait()}")

    def _kill(self, node: str, process: str) -> None:
        self._lab.run(node, ["pkill", "-KILL", process])

    def _mend(self) -> None:
        """Everything gets well again but what the runs have done."""
        mend(self._lab)

    def _come_home(self, server: str, killed_after_s: float) -> None:
        other = next(node for node in NODES if node != server)
        faults = bring_home(self._lab, other, killed_after_s, self._say)
        self.record.violations += faults
        self.record.home = not faults

    def _finish_runs(self) -> None:
        """Go on with every run that has not ended, from one controller or the other; wake the sleeper in between."""
        for _attempt in range(4):
            for process in self._asleep:
                os.kill(process.pid, 18)  # SIGCONT
                self._say(f"the sleeper ended with {process.wait(180)}")
            self._asleep.clear()
            unfinished = self._unfinished()
            if not unfinished:
                return
            run, holder = unfinished[-1]
            where = self._dice.choice(CONTROLLERS)
            words = ["resume", run, "--yes", "--accept-loss", "soak: whatever it is"]
            words += [] if where == holder else ["--from", "repository"]
            done = lpse_ops(self._lab, *words, **self._environment(where))
            self._say(f"resume from {where} ended with {done.returncode}")
            if done.returncode not in (3, 4, 5, 6):
                self._violated(
                    f"resume ended with {done.returncode}: {done.stdout[-600:]}{done.stderr[-300:]}"
                )
            self._lab.power_on(self._old)

    def _unfinished(self) -> list[tuple[str, str]]:
        """Runs that have begun to act and have not ended, with the controller that knows most of them."""
        newest: dict[str, tuple[int, str, str]] = {}
        for controller, folder in zip(CONTROLLERS, journals(self._lab), strict=True):
            for path in folder.glob("*.jsonl"):
                events = read_events(path)
                if events:
                    known = (len(events), controller, last_status(events))
                    newest[path.stem] = max(newest.get(path.stem, (0, "", "")), known)
        return [
            (run, controller)
            for run, (_n, controller, status) in sorted(newest.items())
            if status not in ENDED
        ]

    # What is checked.

    def _who_serves(self) -> str:
        """Wait until one node serves; that it does is the first invariant."""
        faults: dict[str, list[str]] = {}

        def one() -> str:
            for node in NODES:
                faults[node] = served_by(self._lab, node)
            good = [node for node, wrong in faults.items() if not wrong]
            return good[0] if len(good) == 1 else ""

        wait_until(one, MEND_S, every=1)
        server = one()
        if not server:
            status = told(lpse_ops(self._lab, "status"))
            self._violated(f"nobody serves in the end: {faults}; status: {status['reasons']}")
        self.record.ended = f"{server or 'nobody'} serves"
        return server

    def _check(self, server: str, book: Path, prober: Prober) -> None:
        lab = self._lab
        runs = [
            (controller, read_events(path))
            for controller, folder in zip(CONTROLLERS, journals(lab), strict=True)
            for path in sorted(folder.glob("*.jsonl"))
        ]
        promoted = [events for _controller, events in runs if _did(events, "database.promote")]
        stated = 0
        if server == self._new:
            if not promoted:
                self._violated(f"{self._new} serves, but no journal tells of its promotion")
                return
            events = max(promoted, key=len)
            self.record.violations += invariants.one_writer(prober.writes, self._old, proven_at(events))
            stated = invariants.stated(events) or 0
        else:
            wrong = [write for write in prober.writes if write.node == self._new]
            if wrong:
                self._violated(f"{self._new} took {len(wrong)} writes, but {self._old} is the active node")
        self.record.violations += invariants.prober_saw(prober, server)
        found = collect(lambda argv: on_host(lab, server, argv))
        self.record.violations += self._books.close_round(book, found, prober.ids, stated)
        for controller, events in runs:
            if events and last_status(events) in ENDED and _did(events, "fence.power-off"):
                done = lpse_ops(lab, "journal", "verify", events[0]["run"], **self._environment(controller))
                if done.returncode != 0:
                    self._violated(f"journal verify on {controller}: {done.stdout[-500:]}")
        records = {
            host: json.loads(on_host(lab, host, ["/usr/local/sbin/lpse-node", "epoch", "show"]))["record"]
            for host in (server, "repository")
        }
        if records[server]["epoch"] != records["repository"]["epoch"]:
            self._violated(f"the voters disagree: {records}")

    def _say(self, text: str) -> None:
        self.record.sequence.append(text)
        print(f"      {text}", file=sys.stderr, flush=True)

    def _violated(self, text: str) -> None:
        self.record.violations.append(text)


def _did(events: list[dict[str, Any]], step: str) -> bool:
    return any(event["type"] == "intent" and event["step"] == step for event in events)


def _is_stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T")
    except OSError:
        return False
