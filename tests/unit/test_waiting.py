"""Waits have deadlines, and one knob for all of them."""

import time

import pytest

from lpse_ops.errors import UsageError
from lpse_ops.waiting import scaled, wait_until


def test_true_at_once_does_not_wait() -> None:
    start = time.monotonic()
    assert wait_until(lambda: True, 10)
    assert time.monotonic() - start < 1


def test_becomes_true() -> None:
    answers = iter([False, None, 0, "yes"])
    assert wait_until(lambda: next(answers), 10, every=0.001)


def test_gives_up_and_asks_once_more_at_the_deadline() -> None:
    asked: list[int] = []
    assert not wait_until(lambda: asked.append(1), 0.05, every=0.02)
    assert len(asked) >= 3


def test_zero_seconds_asks() -> None:
    assert wait_until(lambda: True, 0)
    assert not wait_until(lambda: False, 0)


def test_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPSE_OPS_WAIT_SCALE", "2.5")
    assert scaled(4) == 10


@pytest.mark.parametrize("value", ["", "fast", "0", "-1", "nan", "inf"])
def test_bad_scale(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LPSE_OPS_WAIT_SCALE", value)
    with pytest.raises(UsageError, match="above 0"):
        scaled(1)
