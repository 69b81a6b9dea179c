"""Which rows of the sweep run in CI."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from tests.faults.row import Row, rows_of
from tests.faults.scenarios import Scenario

Steps = Mapping[str, Sequence[Mapping[str, Any]]]


def subset(scenarios: Sequence[Scenario], steps: Steps, seed: int, others: int) -> list[tuple[Scenario, Row]]:
    """Given the steps of each scenario's plan (by its name), return the rows that are chosen by `seed`.

    All moments of all irreversible steps, each once (a step that several plans share: from one of them), and as many
    of the rest as `others` says.
    """
    dice = random.Random(seed)  # noqa: S311 - a choice of tests
    sure: dict[tuple[str, str], list[tuple[Scenario, Row]]] = {}
    rest: list[tuple[Scenario, Row]] = []
    for scenario in scenarios:
        irreversible = {step["id"] for step in steps[scenario.name] if step["irreversible"]}
        for row in rows_of(scenario, list(steps[scenario.name]), dice.randrange(2)):
            if row.step in irreversible:
                sure.setdefault((row.step, row.moment), []).append((scenario, row))
            else:
                rest.append((scenario, row))
    return [*(dice.choice(rows) for rows in sure.values()), *dice.sample(rest, min(others, len(rest)))]
