"""The lock of a site: a token above all that were seen; a connection of the same run that died is waited for."""

import pytest

from lpse_ops.engine import lock
from lpse_ops.engine.lock import SiteLock
from lpse_ops.errors import LockHeld
from lpse_ops.remote.fake import FakeFleet
from lpse_ops.remote.replies import error_for


def held_by(run: str) -> LockHeld:
    error = error_for("repository", "lock", 6, f'{{"holder":"ani@here:1","run":"{run}","since":1.5}}', "")
    assert isinstance(error, LockHeld)
    return error


def test_the_token_is_to_be_above_what_hosts_have_seen() -> None:
    fleet = FakeFleet().script("repository", "lock", {"token": 8})
    with SiteLock(fleet, ["repository"], "run-1", above=7) as taken:
        assert taken.token == 8
    assert fleet.calls[0].argv[-2:] == ("--above", "7")


def test_another_run_is_not_waited_for() -> None:
    fleet = FakeFleet().script("repository", "lock", held_by("run-2"), {"token": 1})
    with pytest.raises(LockHeld):
        SiteLock(fleet, ["repository"], "run-1")


def test_the_dead_connection_of_the_same_run_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_EVERY_S", 0.01)
    fleet = FakeFleet().script("repository", "lock", held_by("run-1"), held_by("run-1"), {"token": 3})
    assert SiteLock(fleet, ["repository"], "run-1").token == 3


def test_a_holder_that_is_just_letting_go_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_EVERY_S", 0.01)
    nameless = error_for("repository", "lock", 6, '{"holder":null,"run":null,"since":null}', "")
    fleet = FakeFleet().script("repository", "lock", nameless, {"token": 3})
    assert SiteLock(fleet, ["repository"], "run-1").token == 3


def test_a_run_that_goes_on_elsewhere_keeps_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_EVERY_S", 0.01)
    monkeypatch.setattr(lock, "_VANISHED_S", 0.05)
    fleet = FakeFleet().script("repository", "lock", held_by("run-1"))
    with pytest.raises(LockHeld) as caught:
        SiteLock(fleet, ["repository"], "run-1")
    assert "ani@here" in caught.value.message


def test_the_second_host_learns_the_token_of_the_first() -> None:
    fleet = FakeFleet().script("repository", "lock", {"token": 8}).script("node2", "lock", {"token": 8})
    with SiteLock(fleet, ["repository", "node2"], "run-1", above=7) as taken:
        assert taken.token == 8
    assert [call.argv[-1] for call in fleet.calls] == ["7", "7"]
    assert not any(channel.alive for channel in fleet.channels)


def test_the_highest_token_counts() -> None:
    fleet = FakeFleet().script("repository", "lock", {"token": 2}).script("node2", "lock", {"token": 9})
    with SiteLock(fleet, ["repository", "node2"], "run-1") as taken:
        assert taken.token == 9


def test_who_does_not_get_the_second_lock_lets_go_of_the_first() -> None:
    fleet = FakeFleet().script("repository", "lock", {"token": 2}).script("node2", "lock", held_by("run-2"))
    with pytest.raises(LockHeld):
        SiteLock(fleet, ["repository", "node2"], "run-1")
    assert not any(channel.alive for channel in fleet.channels)


def test_a_lock_is_lost_with_any_of_its_connections() -> None:
    fleet = FakeFleet().script("repository", "lock", {"token": 2}).script("node2", "lock", {"token": 2})
    with SiteLock(fleet, ["repository", "node2"], "run-1") as taken:
        assert taken.held
        fleet.channels[1].close()
        assert not taken.held


def test_a_taken_lock_says_from_whom() -> None:
    was = {"holder": "ani@here:1", "run": "run-2", "since": 1.5}
    fleet = FakeFleet().script("repository", "lock", {"token": 3, "taken": was})
    with SiteLock(fleet, ["repository"], "run-1", reason="ani's laptop was stolen") as taken:
        assert taken.taken == {"repository": was}
    assert fleet.calls[0].argv[-2:] == ("--reason", "ani's laptop was stolen")
