"""A part of the fault sweep: every irreversible step at every moment, and a sample of the others (all: `make sweep`).

Which others is left to chance; a test's name says all that is needed to run it again.
"""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from lpse_ops.lab.lab import Lab
from lpse_ops.site import enter_network, load_site
from tests.faults.row import Row, run, steps_of
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.subset import subset
from tests.support.plans import sample_steps

SEED = int(os.environ.get("LPSE_OPS_SWEEP_SEED") or random.SystemRandom().randrange(10**6))
OTHERS = 6
CHOSEN = subset(SCENARIOS, sample_steps(), SEED, OTHERS)


@pytest.fixture(scope="module")
def in_network(lab: Lab) -> Lab:
    """The lab, with this process in its controller's network: the ledger writes from there."""
    enter_network(load_site(f"lab:{lab.name}"))
    return lab


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name.replace(" ", "-"))
def test_the_rows_are_of_the_plan_as_it_is(lab: Lab, scenario: Scenario) -> None:
    def keys(steps: list[dict[str, Any]]) -> set[tuple[str, bool]]:
        return {(step["id"], step["irreversible"]) for step in steps}

    assert keys(steps_of(lab, scenario)) == keys(sample_steps()[scenario.name])


@pytest.mark.parametrize(
    ("scenario", "row"),
    CHOSEN,
    ids=[row.name.replace(", ", "-").replace(" ", "-") for _scenario, row in CHOSEN],
)
def test_killed_and_resumed(in_network: Lab, tmp_path: Path, scenario: Scenario, row: Row) -> None:
    assert run(in_network, scenario, row, tmp_path).violations == []
