"""Which account lets us in, and what is said if none does."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lpse_ops.errors import HostKeyError, LpseError, Refused, UnreachableError
from lpse_ops.remote import login
from lpse_ops.site import Site

DENIED = "debian@192.0.2.1: Permission denied (publickey)."
NO_SUDO = "sudo: a password is required"
SITE = cast(
    Site,
    SimpleNamespace(
        hosts={"node1": "192.0.2.1"},
        known_hosts=Path("/site/known_hosts"),
        access=SimpleNamespace(bootstrap_user="debian"),
    ),
)


def find(monkeypatch: pytest.MonkeyPatch, said: Mapping[str, str]) -> login.Login:
    monkeypatch.setattr(login, "_try", lambda _site, _host, user: said[user])
    return login.find_logins(SITE, ["node1"])["node1"]


@pytest.mark.parametrize(
    ("admin", "first", "user"),
    [
        ("", "", "lpse-admin"),
        (DENIED, "", "debian"),
        (NO_SUDO, "", "debian"),  # an interrupted first run has made the account, and not yet its rights
    ],
)
def test_who_lets_us_in(monkeypatch: pytest.MonkeyPatch, admin: str, first: str, user: str) -> None:
    found = find(monkeypatch, {"lpse-admin": admin, "debian": first})
    assert (found.user, found.error) == (user, None)


@pytest.mark.parametrize(
    ("admin", "first", "kind", "words"),
    [
        (DENIED, DENIED, Refused, "admits neither lpse-admin nor debian"),
        (DENIED, NO_SUDO, Refused, "lets debian in, but gives it no root rights: sudo: a password"),
        (NO_SUDO, DENIED, Refused, "lets lpse-admin in, but gives it no root rights"),
        (
            DENIED,
            "sh: 1: sudo: not found",
            Refused,
            "lets debian in, but gives it no root rights: sh: 1: sudo",
        ),
        (
            "ssh: connect to host 192.0.2.1 port 22: No route to host",
            "",
            UnreachableError,
            "No route to host",
        ),
        ("Host key verification failed.", "", HostKeyError, "shows a host key"),
    ],
)
def test_what_is_said_if_none_does(
    monkeypatch: pytest.MonkeyPatch, admin: str, first: str, kind: type[LpseError], words: str
) -> None:
    error: Any = find(monkeypatch, {"lpse-admin": admin, "debian": first}).error
    assert type(error) is kind
    assert words in error.message
    assert error.hint
