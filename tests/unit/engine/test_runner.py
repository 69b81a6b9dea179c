"""The engine: order, parallel steps, failures, resume, proofs, and no irreversible act without a mirror."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from lpse_ops.actions import context as context_module
from lpse_ops.actions.context import Facts, Outcome, RunContext, action
from lpse_ops.engine import runner
from lpse_ops.engine.journal import Journal, read_events
from lpse_ops.engine.mirror import Mirror
from lpse_ops.engine.runner import Engine
from lpse_ops.engine.status import last_status
from lpse_ops.errors import LpseError, Refused, StepFailed
from lpse_ops.plan import Plan, Step
from lpse_ops.remote.fake import Call, FakeFleet

LOG: list[str] = []
BROKEN: set[str] = set()
UNSEEN: set[str] = set()


@pytest.fixture(autouse=True)
def _register(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_module, "_actions", {})
    LOG.clear()
    BROKEN.clear()
    UNSEEN.clear()

    @action("test.log")
    def log(context: RunContext, step: Step) -> Outcome:
        if step.id in UNSEEN:
            raise Refused(f"{step.id} cannot be seen")
        if step.id in BROKEN:
            raise StepFailed(f"{step.id} is broken", hint="mend it")
        LOG.append(step.id)
        return Outcome(changed=True, facts={"seen": sorted(context.facts)})

    @action("test.meet")
    def meet(context: RunContext, step: Step) -> Outcome:
        step.args["barrier"].wait(5)
        return Outcome(changed=False)

    @action("test.crash")
    def crash(context: RunContext, step: Step) -> Outcome:
        raise RuntimeError("our own fault")


def step(step_id: str, *needs: str, act: str = "test.log", **fields: Any) -> Step:
    return replace(Step(step_id, step_id, "node2", act, 5, needs=needs, no_undo="x"), **fields)


class Bench:
    """An engine over a journal in a temporary folder; `again` makes the engine of a resume."""

    def __init__(self, folder: Path, *steps: Step, mirrored: bool = True) -> None:
        self.folder = folder
        self.plan = Plan("failover", "lab", steps)
        self.journal = Journal.create(folder, "run-1")
        self.fleet = FakeFleet().script("repository", "journal-append", {"seq": 1})
        self.mirrors = (
            [Mirror("repository", self.fleet.channel("repository", ["journal-append"]))] if mirrored else []
        )
        self.engine = self._engine()

    def _engine(self) -> Engine:
        def confirm(statement: str, facts: Facts) -> Facts:
            return {}

        context = RunContext(cast(Any, None), self.fleet, "run-1", 1, confirm)
        return Engine(self.plan, self.journal, context, self.mirrors)

    def again(self) -> Engine:
        self.journal.close()
        self.journal = Journal.open(self.folder, "run-1")
        return self._engine()

    def statuses(self) -> dict[str, str]:
        return {e["step"]: e["status"] for e in self.journal.events if e["type"] == "outcome"}


def test_steps_run_in_the_order_of_their_needs(tmp_path: Path) -> None:
    bench = Bench(tmp_path, step("c", "b"), step("b", "a"), step("a"))
    bench.engine.run()
    assert LOG == ["a", "b", "c"]
    kinds = [(event["type"], event["step"]) for event in bench.journal.events]
    assert kinds[:4] == [("intent", "a"), ("outcome", "a"), ("intent", "b"), ("outcome", "b")]


def test_independent_steps_run_side_by_side(tmp_path: Path) -> None:
    barrier = threading.Barrier(2)
    args = {"barrier": barrier}
    steps = (step("a", act="test.meet", args=args), step("b", act="test.meet", args=args))
    bench = Bench(tmp_path, *steps)
    bench.engine.run()
    assert set(bench.statuses()) == {"a", "b"}


def test_a_failed_critical_step_stops_what_follows(tmp_path: Path) -> None:
    BROKEN.add("b")
    bench = Bench(tmp_path, step("a"), step("b", "a"), step("c", "b"))
    with pytest.raises(StepFailed) as caught:
        bench.engine.run()
    assert "b is broken" in caught.value.message
    assert caught.value.hint == "mend it"
    assert LOG == ["a"]
    assert last_status(bench.journal.events) == "failed"


def test_a_failed_optional_step_stops_nothing_but_the_end(tmp_path: Path) -> None:
    BROKEN.add("a")
    bench = Bench(tmp_path, step("a", critical=False), step("b"), step("c", "a", critical=False))
    with pytest.raises(StepFailed) as caught:
        bench.engine.run()
    assert sorted(LOG) == ["b", "c"]
    assert "--skip a --reason" in caught.value.hint
    assert bench.journal.events[-1]["moves"] == {"a": ["retry", "skip"]}
    bench.journal.append("skipped", step="a", reason="nobody needs it tonight")
    bench.again().run()
    assert sorted(LOG) == ["b", "c"]


def test_a_second_signal_does_not_wait_for_the_step_under_way(tmp_path: Path) -> None:
    barrier = threading.Barrier(2)  # nobody else comes: the step stays under way for its 5 s
    bench = Bench(tmp_path, step("a", act="test.meet", args={"barrier": barrier}), step("b", "a"))
    threading.Timer(0.2, bench.engine.halt).start()
    with pytest.raises(StepFailed, match="Stopped at once"):
        bench.engine.run()
    assert [event["type"] for event in bench.journal.events] == ["intent", "run-stopped"]
    assert last_status(bench.journal.events) == "interrupted"
    barrier.abort()


def test_all_that_failed_side_by_side_is_told(tmp_path: Path) -> None:
    BROKEN.update("ab")
    bench = Bench(tmp_path, step("a", console="do a by hand, RUN TOKEN"), step("b"))
    with pytest.raises(StepFailed) as caught:
        bench.engine.run()
    told = " ".join([caught.value.message, *caught.value.reasons])
    assert "a is broken" in told
    assert "b is broken" in told
    assert "do a by hand, run-1 1" in caught.value.hint + bench.engine._ways(bench.plan.step("a"))[0]


def test_a_resume_does_only_what_is_left(tmp_path: Path) -> None:
    BROKEN.add("b")
    bench = Bench(tmp_path, step("a"), step("b", "a"))
    with pytest.raises(StepFailed):
        bench.engine.run()
    BROKEN.clear()
    bench.again().run()
    assert LOG == ["a", "b"]
    assert bench.statuses() == {"a": "done", "b": "done"}


def test_an_intent_without_outcome_is_done_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, step("a"))
    bench.journal.append("intent", step="a")
    bench.again().run()
    assert LOG == ["a"]


def test_a_lost_proof_supersedes_the_run(tmp_path: Path) -> None:
    BROKEN.add("b")
    bench = Bench(tmp_path, step("a", proof=True), step("b", "a"))
    with pytest.raises(StepFailed):
        bench.engine.run()
    BROKEN.add("a")
    BROKEN.discard("b")
    with pytest.raises(Refused) as caught:
        bench.again().run()
    assert "a is broken" in caught.value.reasons
    assert last_status(bench.journal.events) == "superseded"
    assert LOG == ["a"]


def test_a_proof_that_cannot_be_seen_leaves_the_run_open(tmp_path: Path) -> None:
    BROKEN.add("b")
    bench = Bench(tmp_path, step("a", proof=True), step("b", "a"))
    with pytest.raises(StepFailed):
        bench.engine.run()
    UNSEEN.add("a")
    with pytest.raises(StepFailed):
        bench.again().run()
    assert last_status(bench.journal.events) == "failed"
    UNSEEN.clear()
    BROKEN.clear()
    bench.again().run()
    assert bench.statuses() == {"a": "done", "b": "done"}


def test_a_run_that_acted_on_a_lost_proof_goes_through_its_proofs_again(tmp_path: Path) -> None:
    BROKEN.add("c")
    steps = (
        step("fence.off", irreversible=True, changes=("power",)),
        step("fence.proof", "fence.off", proof=True, observes=("power",)),
        step("b", "fence.proof", irreversible=True),
        step("c", "b", irreversible=True),
    )
    bench = Bench(tmp_path, *steps)
    with pytest.raises(StepFailed):
        bench.engine.run()
    LOG.clear()
    BROKEN.clear()
    BROKEN.add("fence.proof")  # somebody has switched it on
    with pytest.raises(StepFailed) as caught:
        bench.again().run()
    assert "fence.proof is broken" in caught.value.message
    assert LOG == ["fence.off"], (
        "the power is taken again; what stands on the proof waits, done before or not"
    )
    assert last_status(bench.journal.events) == "failed"
    BROKEN.clear()
    bench.again().run()
    assert LOG[-2:] == ["fence.proof", "c"]


def test_a_proof_nothing_stands_on_any_more_is_not_asked_for(tmp_path: Path) -> None:
    BROKEN.add("c")
    steps = (step("a", proof=True), step("b", "a", irreversible=True), step("c", "b"))
    bench = Bench(tmp_path, *steps)
    with pytest.raises(StepFailed):
        bench.engine.run()
    BROKEN.clear()
    BROKEN.add("a")
    bench.again().run()
    assert bench.statuses() == {"a": "done", "b": "done", "c": "done"}


def test_before_the_point_of_no_return_a_resume_looks_at_everything_again(tmp_path: Path) -> None:
    BROKEN.add("b")
    steps = (step("fence", irreversible=True), step("p", "fence", proof=True), step("state", "fence"))
    act = step("b", "p", "state", irreversible=True)
    bench = Bench(tmp_path, *steps, step("sure", "state"), replace(act, needs=("p", "sure")))
    bench.journal.append("outcome", step="fence", status="done", facts={})
    bench.journal.append("outcome", step="p", status="done", facts={})
    bench.journal.append("outcome", step="state", status="done", facts={})
    BROKEN.clear()
    bench.again().run()
    assert LOG == ["p", "state", "sure", "b"]


def test_a_resume_does_again_what_a_restart_undoes(tmp_path: Path) -> None:
    BROKEN.add("c")
    steps = (step("p", proof=True), step("a", "p", irreversible=True), step("b", "a", again=True))
    bench = Bench(tmp_path, *steps, step("c", "b"))
    with pytest.raises(StepFailed):
        bench.engine.run()
    BROKEN.clear()
    LOG.clear()
    bench.again().run()
    assert LOG == ["b", "c"]


def test_a_journal_that_cannot_be_written_ends_the_run_as_failed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, step("a"), step("b", "a"))
    bench.journal.listen(lambda event, line: bench.journal.close() if event["type"] == "outcome" else None)
    bench.journal._lock = threading.RLock()  # type: ignore[assignment]
    with pytest.raises(StepFailed) as caught:
        bench.engine.run()
    assert "cannot be written" in caught.value.message


def test_no_irreversible_act_without_a_mirror(tmp_path: Path) -> None:
    bench = Bench(tmp_path, step("a", irreversible=True), mirrored=False)
    with pytest.raises(StepFailed) as caught:
        bench.engine.run()
    assert "second machine" in caught.value.message
    assert LOG == []


def test_no_irreversible_act_before_the_mirror_has_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_MIRROR_S", 0.2)
    bench = Bench(tmp_path, step("a", irreversible=True))
    later = threading.Event()

    def late(_call: Call) -> dict[str, int]:
        later.wait()
        return {"seq": 1}

    bench.fleet.script("node1", "journal-append", late)
    mirror = Mirror("node1", bench.fleet.channel("node1", ["journal-append"]))
    bench.mirrors[:] = [mirror]
    bench.journal.listen(mirror.listener)
    with pytest.raises(StepFailed) as caught:
        bench.engine.run()
    later.set()
    assert caught.value.reasons == ("node1: no answer in time",)
    assert LOG == []
    assert bench.journal.events[-2]["begun"] is False


def test_an_act_finds_its_intent_on_the_disk(tmp_path: Path) -> None:
    found: list[str] = []

    @action("test.read")
    def read(context: RunContext, step: Step) -> Outcome:
        events = read_events(tmp_path / f"{context.run}.jsonl")
        found.extend(event["type"] for event in events if event["step"] == step.id)
        return Outcome(changed=True)

    bench = Bench(tmp_path, step("a", act="test.read"))
    bench.engine.run()
    assert found == ["intent"]


def test_no_irreversible_act_without_the_lock(tmp_path: Path) -> None:
    bench = Bench(tmp_path, step("a", irreversible=True))
    bench.engine._lock_held = lambda: False
    with pytest.raises(StepFailed) as caught:
        bench.engine.run()
    assert "lock" in caught.value.message
    assert LOG == []


def test_an_irreversible_act_follows_its_mirrored_intent(tmp_path: Path) -> None:
    bench = Bench(tmp_path, step("a", irreversible=True))
    for mirror in bench.mirrors:
        bench.journal.listen(mirror.listener)
    bench.engine.run()
    assert LOG == ["a"]


def test_our_own_fault_in_a_step_is_a_failed_step(tmp_path: Path) -> None:
    bench = Bench(tmp_path, step("a", act="test.crash"))
    with pytest.raises(LpseError) as caught:
        bench.engine.run()
    assert "our own fault" in caught.value.message
    assert bench.statuses() == {"a": "failed"}


def test_stop_finishes_what_runs_and_begins_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, step("a"), step("b", "a"))
    bench.journal.listen(lambda event, line: bench.engine.stop() if event["type"] == "intent" else None)
    started = time.monotonic()
    with pytest.raises(StepFailed):
        bench.engine.run()
    assert LOG == ["a"]
    assert last_status(bench.journal.events) == "interrupted"
    assert time.monotonic() - started < 60
