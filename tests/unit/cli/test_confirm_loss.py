"""The last word before the point of no return: within the RPO a yes is enough, beyond it a reason must be given."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lpse_ops.cli import planning
from lpse_ops.errors import StepFailed, UsageError

SITE = cast(Any, SimpleNamespace(policy=SimpleNamespace(rpo_s=30)))
REASON = "the repository burnt with it"


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_within_the_rpo_a_yes_is_enough(seconds: float) -> None:
    said = planning.asker(SITE, yes=True, accept_loss=None)("statement", {"seconds": seconds})
    assert said == {"confirmed": True, "within_rpo": True}


def test_beyond_the_rpo_a_yes_is_not_enough() -> None:
    ask = planning.asker(SITE, yes=True, accept_loss=None)
    with pytest.raises(StepFailed) as caught:
        ask("30.5 s can be lost", {"seconds": 30.5})
    assert caught.value.reasons == ("30.5 s can be lost",)
    assert "--accept-loss" in caught.value.hint


def test_what_is_unknown_counts_as_beyond_the_rpo() -> None:
    ask = planning.asker(SITE, yes=True, accept_loss=None)
    with pytest.raises(StepFailed, match="needs a reason"):
        ask("unknown", {"seconds": None})


def test_a_reason_is_kept_and_must_say_something() -> None:
    ask = planning.asker(SITE, yes=True, accept_loss=REASON)
    assert ask("statement", {"seconds": None}) == {
        "confirmed": True,
        "within_rpo": False,
        "accept_loss": REASON,
    }
    with pytest.raises(UsageError):
        planning.asker(SITE, yes=True, accept_loss="ok")("statement", {"seconds": 31.0})


def test_a_no_within_the_rpo_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "confirm", lambda _question, *, yes: yes)
    with pytest.raises(StepFailed, match="Not confirmed"):
        planning.asker(SITE, yes=False, accept_loss=None)("statement", {"seconds": 1.0})
