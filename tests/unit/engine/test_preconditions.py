"""What a resume looks at before it goes on: who is active by now, and whether the standby is still one."""

from pathlib import Path
from typing import Any, cast

import pytest

from lpse_ops.actions.context import RunContext
from lpse_ops.engine.journal import Journal
from lpse_ops.engine.resumption import Resumption
from lpse_ops.engine.status import last_status
from lpse_ops.errors import StepFailed, Superseded, UnreachableError
from lpse_ops.plan import Plan, Step
from lpse_ops.remote.fake import FakeFleet
from tests.support import observed

RECORD = {"site": "lab", "system_id": "7123", "epoch": 2, "active": "node2", "witnessed": True}


class Bench:
    """A run that stopped before its second step; `go_on` resumes it with what the hosts say."""

    def __init__(self, folder: Path) -> None:
        looks: dict[str, Any] = {"host": "node2", "observes": ("records", "standby"), "no_undo": "x"}
        steps = (
            Step("a", "a", action="test.none", deadline_s=5, **looks),
            Step("b", "b", action="test.none", deadline_s=5, needs=("a",), **looks),
        )
        self.plan = Plan("failover", "lab", steps, {"record": RECORD}, hosts=("node2", "repository"))
        self.journal = Journal.create(folder, "run-1")
        self.journal.append("run-started")
        self.journal.append("intent", step="a")
        self.journal.append("outcome", step="a", status="done", facts={"found": 1})

    def go_on(self, fleet: FakeFleet) -> dict[str, str]:
        context = RunContext(
            cast(Any, None), fleet, "run-1", 1, lambda _statement, _facts: {}, {}, self.plan.facts
        )
        return Resumption(self.plan, self.journal, context).standing()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def hosts(node2: dict[str, Any] | None = None, repository: dict[str, Any] | None = None) -> FakeFleet:
    """Healthy hosts, or what these say instead."""
    fleet = FakeFleet().script("node2", "observe", node2 or observed.host("node2"))
    return fleet.script("repository", "observe", repository or observed.host("repository"))


def record(epoch: int, active: str, run: str) -> dict[str, Any]:
    return RECORD | {"epoch": epoch, "active": active, "run": run}


def test_what_was_done_stands_where_nothing_has_changed(bench: Bench) -> None:
    assert bench.go_on(hosts()) == {"a": "done"}
    assert bench.journal.events[-1]["type"] == "preconditions-renewed"


def test_the_run_s_own_record_overtakes_nobody(bench: Bench) -> None:
    ours = observed.bent("repository", "record", record(2, "node2", "run-1"))
    assert bench.go_on(hosts(repository=ours)) == {"a": "done"}


@pytest.mark.parametrize(
    "theirs", [record(3, "node1", "run-2"), record(2, "node1", "run-2"), record(2, "node2", "run-2")]
)
def test_an_overtaken_run_is_superseded(bench: Bench, theirs: dict[str, Any]) -> None:
    with pytest.raises(Superseded) as caught:
        bench.go_on(hosts(repository=observed.bent("repository", "record", theirs)))
    assert "another run came first" in caught.value.reasons[0]
    assert last_status(bench.journal.events) == "superseded"


def test_a_standby_that_was_promoted_by_hand_supersedes_the_run(bench: Bench) -> None:
    with pytest.raises(Superseded) as caught:
        bench.go_on(hosts(observed.bent("node2", "database.in_recovery", value=False)))
    assert "is no standby any more" in caught.value.reasons[0]
    assert last_status(bench.journal.events) == "superseded"


def test_a_standby_that_this_run_has_promoted_is_no_surprise(bench: Bench) -> None:
    promoted = observed.bent("node2", "database.in_recovery", value=False)
    promoted["record"] = record(2, "node2", "run-1")
    assert bench.go_on(hosts(promoted)) == {"a": "done"}


def test_another_database_supersedes_the_run(bench: Bench) -> None:
    with pytest.raises(Superseded, match="superseded"):
        bench.go_on(hosts(observed.bent("node2", "database.system_id", "99")))


def test_a_voter_that_lost_its_record_supersedes_the_run(bench: Bench) -> None:
    with pytest.raises(Superseded) as caught:
        bench.go_on(hosts(repository=observed.bent("repository", "record", value=None)))
    assert caught.value.reasons == ("repository has no readable epoch record.",)


def test_what_cannot_be_seen_leaves_the_run_open(bench: Bench) -> None:
    gone = FakeFleet().script("node2", "observe", observed.host("node2"))
    with pytest.raises(StepFailed) as caught:
        bench.go_on(gone.script("repository", "observe", UnreachableError("repository does not answer")))
    assert "could not be observed again" in caught.value.message
    assert last_status(bench.journal.events) == "failed"
