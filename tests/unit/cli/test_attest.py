"""A person attests a death at the terminal: words that say how, and the node's name typed; nothing else counts."""

import io
import sys

import pytest

from lpse_ops.cli.planning import ask_to_attest
from lpse_ops.errors import Refused, UsageError

WORDS = "I stand before it: no lamp is lit"


class Terminal(io.StringIO):
    """What a person types, a line each."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> "type[Terminal]":
    class Typed(Terminal):
        def __init__(self, text: str) -> None:
            super().__init__(text)
            monkeypatch.setattr(sys, "stdin", self)

    return Typed


def test_words_and_the_name_are_an_attestation(types: type[Terminal]) -> None:
    types(f"{WORDS}\nnode1\n")
    attested = ask_to_attest("node1", ["the BMC is silent"], yes=False)
    assert attested is not None
    assert attested["words"] == WORDS
    assert "@" in attested["by"]
    assert attested["attested_at"] > 0


def test_nothing_typed_is_none(types: type[Terminal]) -> None:
    types("\n")
    assert ask_to_attest("node1", ["the BMC is silent"], yes=False) is None


def test_another_name_is_refused(types: type[Terminal]) -> None:
    types(f"{WORDS}\nnode2\n")
    with pytest.raises(Refused):
        ask_to_attest("node1", ["the BMC is silent"], yes=False)


def test_too_few_letters_say_nothing(types: type[Terminal]) -> None:
    types("it's dead\nnode1\n")
    with pytest.raises(UsageError):
        ask_to_attest("node1", ["the BMC is silent"], yes=False)


def test_nobody_is_asked_in_automation_or_in_vain(types: type[Terminal]) -> None:
    types(f"{WORDS}\nnode1\n")
    assert ask_to_attest("node1", ["the BMC is silent"], yes=True) is None
    assert ask_to_attest("node1", ["the BMC is silent", "node2 is no standby"], yes=False) is None
