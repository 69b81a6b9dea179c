"""What a resume makes of an intent without an outcome: the voters tell whether it was carried out."""

from pathlib import Path
from typing import Any, cast

import pytest

from lpse_ops.actions import context as context_module
from lpse_ops.actions.context import Outcome, RunContext, action
from lpse_ops.engine.journal import Journal
from lpse_ops.engine.resumption import Resumption
from lpse_ops.engine.status import last_status
from lpse_ops.errors import StepFailed, Superseded
from lpse_ops.plan import Plan, Step
from lpse_ops.remote.fake import FakeFleet
from tests.support.observed import host

RUN = "run-1"
RECORD = {"site": "lab", "system_id": "7123", "epoch": 2, "active": "node2", "witnessed": True}
ALIVE = {"now": False}


@pytest.fixture(autouse=True)
def _proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context_module, "_actions", {})
    ALIVE["now"] = False

    @action("test.proof")
    def proof(context: RunContext, step: Step) -> Outcome:
        if ALIVE["now"]:
            raise StepFailed("it lives")
        return Outcome(changed=False)


def seen(name: str, **record: Any) -> dict[str, Any]:
    state = host(name)
    return state | {"record": state["record"] | record}


def resumption(folder: Path, repository: dict[str, Any], node2: dict[str, Any]) -> Resumption:
    """A run that died with the intent to write the epoch in its journal."""
    steps = (
        Step(
            "fence.off",
            "x",
            "controller",
            "test.proof",
            5,
            irreversible=True,
            changes=("power",),
            no_undo="x",
        ),
        Step(
            "fence.proof", "x", "controller", "test.proof", 5, needs=("fence.off",), proof=True, no_undo="x"
        ),
        Step(
            "epoch.repository",
            "x",
            "repository",
            "test.proof",
            5,
            needs=("fence.proof",),
            irreversible=True,
            observes=("records",),
            no_undo="x",
        ),
        Step(
            "promote",
            "x",
            "node2",
            "test.proof",
            5,
            needs=("epoch.repository",),
            observes=("standby",),
            no_undo="x",
        ),
    )
    plan = Plan("failover", "lab", steps, facts={"record": RECORD}, hosts=("node2", "repository"))
    journal = Journal.create(folder, RUN)
    for step in ("fence.off", "fence.proof"):
        journal.append("outcome", step=step, status="done", facts={})
    journal.append("intent", step="epoch.repository")
    fleet = FakeFleet().script("repository", "observe", repository).script("node2", "observe", node2)
    context = RunContext(cast(Any, None), fleet, RUN, 2, lambda _statement, _facts: {})
    return Resumption(plan, journal, context)


def test_an_intent_that_no_voter_shows_was_never_carried_out(tmp_path: Path) -> None:
    """The old node serves again: the run is over, and nobody takes its power a second time."""
    ALIVE["now"] = True
    resumed = resumption(tmp_path, seen("repository"), seen("node2"))
    with pytest.raises(Superseded, match="superseded"):
        resumed.standing()
    assert last_status(resumed._journal.events) == "superseded"


def test_an_intent_that_a_voter_shows_was_carried_out(tmp_path: Path) -> None:
    ALIVE["now"] = True
    ours = RECORD | {"run": RUN}
    resumed = resumption(tmp_path, seen("repository", **ours), seen("node2"))
    assert resumed.standing() == {}, "everything from the fencing on is gone through again"


def test_what_cannot_be_seen_counts_as_carried_out(tmp_path: Path) -> None:
    ALIVE["now"] = True
    resumed = resumption(tmp_path, seen("repository"), seen("node2"))
    cast(FakeFleet, resumed._context.remote).dead.add("repository")
    with pytest.raises(StepFailed, match="could not be observed"):
        resumed.standing()
    assert last_status(resumed._journal.events) == "failed"


def test_a_run_that_another_one_overtook_is_over(tmp_path: Path) -> None:
    other = RECORD | {"run": "run-2"}
    resumed = resumption(tmp_path, seen("repository", **other), seen("node2", **other))
    with pytest.raises(Superseded) as caught:
        resumed.standing()
    assert "another run came first" in caught.value.reasons[0]


def test_a_standby_that_somebody_promoted_stops_a_run_that_has_acted(tmp_path: Path) -> None:
    ours = RECORD | {"run": RUN}
    promoted = seen("node2")
    promoted["database"] = promoted["database"] | {"in_recovery": False}
    resumed = resumption(tmp_path, seen("repository", **ours), promoted)
    with pytest.raises(StepFailed) as caught:
        resumed.standing()
    assert "open for writes, and not by this run" in caught.value.reasons[0]
    assert last_status(resumed._journal.events) == "failed"
