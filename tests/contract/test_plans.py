"""Every plan of every procedure: from the failure of each of its steps there is a legal next move."""

import importlib
import pkgutil
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

import lpse_ops.actions  # noqa: F401  (registers the actions)
from lpse_ops import procedures
from lpse_ops.actions.context import find_action
from lpse_ops.plan import Plan, faults_of
from lpse_ops.plan.graph import ancestors
from lpse_ops.plan.moves import Move, dead_ends, moves
from tests.faults.scenarios import SCENARIOS
from tests.support.modules import ROOT
from tests.support.plans import SAMPLES, sample_site

PROCEDURES = sorted(
    module.name
    for module in pkgutil.iter_modules(procedures.__path__)
    if hasattr(importlib.import_module(f"lpse_ops.procedures.{module.name}"), "build")
)
VERBS = set(re.findall(r"^([a-z-]+)\)", (ROOT / "roles/node/files/lpse-node").read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> list[Plan]:
    site = sample_site(tmp_path_factory.mktemp("plans") / "office")
    return [plan for name in PROCEDURES for plan in SAMPLES[name](site)]


def test_every_procedure_shows_a_sample() -> None:
    assert set(SAMPLES) == set(PROCEDURES)


def test_every_plan_is_swept() -> None:
    """`make sweep` kills the controller at every step of every plan: a new plan needs a scenario that leads to it."""
    swept = {(scenario.procedure, scenario.variant) for scenario in SCENARIOS}
    with tempfile.TemporaryDirectory() as folder:
        site = sample_site(Path(folder) / "office")
        assert swept == {(name, n) for name, build in SAMPLES.items() for n in range(len(build(site)))}


def test_plans_are_sound(plans: list[Plan]) -> None:
    assert {plan.procedure: faults_of(plan) for plan in plans if faults_of(plan)} == {}


def test_every_failure_has_a_legal_next_move(plans: list[Plan]) -> None:
    for plan in plans:
        assert list(dead_ends(plan)) == []
        for step in plan.steps:
            legal = moves(plan, step.id)
            assert Move.RETRY in legal, step.id
            assert (Move.SKIP in legal) is not step.critical, step.id


def test_what_a_person_is_told_to_type_exists(plans: list[Plan]) -> None:
    for plan in plans:
        for step in plan.steps:
            for text in (step.console, step.undo):
                verb = text.rpartition("lpse-node ")[2] if "lpse-node " in text else text
                if verb and (text == step.undo or "lpse-node " in text):
                    assert verb.split()[0] in VERBS, f"{step.id}: {text}"


def test_every_action_exists(plans: list[Plan]) -> None:
    for plan in plans:
        for step in plan.steps:
            assert callable(find_action(step.action))


def test_what_is_irreversible_comes_after_a_person_has_confirmed_or_is_the_fencing(plans: list[Plan]) -> None:
    for plan in plans:
        for step in plan.steps:
            if step.irreversible and not step.id.startswith("fence."):
                before = ancestors(plan, step.id)
                assert {"fence.gate", "loss.confirm"} <= before, step.id


@pytest.mark.parametrize("field", ["console", "changes", "no_undo"])
def test_the_check_finds_what_is_taken_away(plans: list[Plan], field: str) -> None:
    """The checks above are no formality: without any one declaration of an irreversible step they fail."""
    for plan in plans:
        empty: tuple[()] | str = () if field == "changes" else ""
        for step in plan.steps:
            if step.irreversible:
                without = replace(step, **{field: empty})  # type: ignore[arg-type]
                steps = tuple(without if other.id == step.id else other for other in plan.steps)
                assert faults_of(replace(plan, steps=steps)), f"{step.id} without {field}"


def test_a_proof_that_a_later_step_spoils_is_found(plans: list[Plan]) -> None:
    for plan in plans:
        if "fence.address-silent" not in {step.id for step in plan.steps}:
            continue
        claim = plan.step("address.claim")
        proof = replace(plan.step("fence.address-silent"), proof=True, observes=claim.changes)
        steps = tuple(proof if step.id == proof.id else step for step in plan.steps)
        proof_host = replace(
            plan, steps=tuple(replace(s, host=claim.host) if s.id == proof.id else s for s in steps)
        )
        assert any("looks at" in fault for fault in faults_of(proof_host))
