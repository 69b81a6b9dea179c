"""Bahasa Indonesia is complete: every message a user can meet, with the same placeholders; compiled."""

import re

from scripts.catalogue import MO, as_mo, load, messages

PLACEHOLDER = re.compile(r"%\((\w+)\)[^a-zA-Z%]*([a-zA-Z])|%%|\{\w*\}")
CATALOGUE = load()


def translated(message: str) -> str:
    known = CATALOGUE.get(message)
    return str(known.string) if known else ""


def test_every_message_is_translated() -> None:
    assert len(messages()) > 300
    assert [message for message in messages() if not translated(message)] == []


def test_nothing_is_left_over() -> None:
    assert {str(message.id) for message in CATALOGUE if message.id} - set(messages()) == set()


def test_placeholders_are_the_same() -> None:
    def placeholders(text: str) -> list[str]:
        return sorted(match.group() for match in PLACEHOLDER.finditer(text))

    assert [m for m in messages() if placeholders(m) != placeholders(translated(m))] == []


def test_compiled_is_what_is_written() -> None:
    assert MO.read_bytes() == as_mo(CATALOGUE)
