"""Plans are sound data: checks find every fault, JSON keeps them whole, the floor is the longest path."""

from dataclasses import replace

import pytest

from lpse_ops.plan import Plan, Step, faults_of
from lpse_ops.plan.floor import critical_path, floor_seconds
from lpse_ops.plan.render import as_text


def step(step_id: str, *needs: str, **fields: object) -> Step:
    base = Step(
        step_id, f"do {step_id}", "node2", "noop", deadline_s=5, needs=needs, no_undo="It only looks."
    )
    return replace(base, **fields)  # type: ignore[arg-type]


def plan(*steps: Step, dead: tuple[str, ...] = ()) -> Plan:
    return Plan("failover", "lab", steps, hosts=("node2",), declared_dead=dead)


def test_a_sound_plan_has_no_faults() -> None:
    assert faults_of(plan(step("a"), step("b", "a"))) == []


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (plan(step("a"), step("a")), "two steps are named a"),
        (plan(step("a", "ghost")), "a needs ghost"),
        (plan(step("a", "b"), step("b", "a")), "wait for each other"),
        (plan(step("a", deadline_s=0)), "a has no deadline"),
        (plan(step("a", no_undo="")), "must say either how it is undone or why it is not"),
        (plan(step("a", undo="x")), "must say either"),
        (plan(step("a", irreversible=True, critical=False)), "cannot be optional"),
        (plan(step("a"), dead=("node2",)), "declared dead"),
    ],
)
def test_every_fault_is_named(broken: Plan, words: str) -> None:
    assert any(words in fault for fault in faults_of(broken))


def test_json_keeps_a_plan_whole() -> None:
    made = plan(step("a", args={"x": [1, 2]}), step("b", "a", irreversible=True))
    again = Plan.from_json(made.to_json())
    assert again == made
    assert again.digest() == made.digest()


def test_digest_changes_with_any_step() -> None:
    assert plan(step("a")).digest() != plan(step("a", deadline_s=6)).digest()


def test_floor_is_the_longest_path_of_acts_and_waits() -> None:
    made = plan(
        step("wait", floor="wait", floor_s=2.0),
        step("short", floor="wait", floor_s=1.0),
        step("promote", "wait", "short", floor="act"),
        step("start", "wait", floor="act"),
        step("open", "promote", "start"),
    )
    assert floor_seconds(made, {"promote": 0.2, "start": 5.0, "open": 99.0}) == pytest.approx(7.0)
    assert critical_path(made, {"wait": 2, "start": 5, "open": 1}) == ("wait", "start", "open")


def test_text_marks_what_cannot_be_taken_back() -> None:
    text = as_text(plan(step("a"), step("b", "a", irreversible=True, no_undo="Gone is gone.")))
    assert "2 ! do b [node2]  after 1" in text
    assert "Gone is gone." in text
