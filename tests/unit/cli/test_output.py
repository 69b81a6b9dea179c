"""What is said about slow work: only if it is slow, and never between a program and its JSON."""

from collections.abc import Iterator
from threading import Event

import pytest

from lpse_ops.cli import output


@pytest.fixture(autouse=True)
def text_again() -> Iterator[None]:
    yield
    output.use("text")


@pytest.mark.parametrize(
    ("mode", "lasts", "said"), [("text", 0.0, ""), ("text", 0.5, "slow\n"), ("json", 0.5, "")]
)
def test_said_if_slow(
    mode: str, lasts: float, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "SLOW_S", 0.1)
    output.use(mode)
    with output.said_if_slow("slow"):
        Event().wait(lasts)
    assert capsys.readouterr().err == said
