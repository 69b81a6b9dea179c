"""Silence as a proof: an answer, even a refusal, is life; a question that could not be asked is no silence."""

import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from lpse_ops.actions import silence
from lpse_ops.actions.context import RunContext
from lpse_ops.errors import StepFailed, UnreachableError
from lpse_ops.plan import Step
from lpse_ops.remote.fake import FakeFleet

HERE = "127.0.0.1"


def context(fleet: FakeFleet | None = None) -> RunContext:
    return RunContext(cast(Any, None), fleet or FakeFleet(), "run-1", 1, lambda _statement, _facts: {})


def step(action: str, **args: Any) -> Step:
    return Step(action, "x", "node2", action, 5, args={"for_s": 0.05, **args})


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of this machine that takes connections."""
    with socket.create_server((HERE, 0)) as server:
        yield int(server.getsockname()[1])


def closed_port() -> int:
    with socket.create_server((HERE, 0)) as server:
        return int(server.getsockname()[1])


def failing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Every connection fails with an error of the network."""

    def connect(*_words: object, **_named: object) -> socket.socket:
        raise OSError(number, "scripted")

    monkeypatch.setattr(socket, "create_connection", connect)


def test_all_ports_that_answer_are_named(listener: int) -> None:
    closed = closed_port()
    with pytest.raises(StepFailed) as caught:
        silence.host_silent(context(), step("fence.host-silent", address=HERE, ports=[listener, closed]))
    assert f"{HERE}:{listener} (open)" in caught.value.message
    assert f"{HERE}:{closed} (refused)" in caught.value.message
    assert caught.value.hint


def test_a_service_that_is_still_there(listener: int) -> None:
    with pytest.raises(StepFailed, match="still there"):
        silence.service_silent(context(), step("fence.service-silent", targets=[[HERE, listener]]))


@pytest.mark.parametrize(("run", "held"), [("run-1", True), ("run-1", False), ("run-0", True)])
def test_a_service_that_this_run_has_put_on_the_new_node_is_no_sign_of_the_old_one(
    listener: int, run: str, held: bool
) -> None:
    seen = {"record": {"active": "node2", "run": run}, "address": {"held": held}}
    fleet = FakeFleet().script("node2", "observe", seen)
    fleet.script("node2", "silent", {"answered": True, "by": "self"})
    served = step("fence.service-silent", targets=[[HERE, listener]], service=HERE, new="node2")
    wire = step("fence.address-silent", address=HERE)
    if (run, held) == ("run-1", True):
        assert silence.service_silent(context(fleet), served).facts["holds"]
        assert silence.address_silent(context(fleet), wire).facts["holds"]
        return
    with pytest.raises(StepFailed):
        silence.service_silent(context(fleet), served)
    with pytest.raises(StepFailed):
        silence.address_silent(context(fleet), wire)


@pytest.mark.parametrize("number", [errno.ETIMEDOUT, errno.EHOSTUNREACH])
def test_silence_is_recorded_with_its_time(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    failing(monkeypatch, number)
    facts = silence.host_silent(context(), step("fence.host-silent", address=HERE, ports=[22])).facts
    assert (facts["holds"], facts["ports"]) == (True, [22])
    assert facts["at"] > 0


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EACCES, errno.EMFILE])
def test_what_could_not_be_asked_is_no_silence(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    failing(monkeypatch, number)
    with pytest.raises(StepFailed, match="cannot be asked"):
        silence.host_silent(context(), step("fence.host-silent", address=HERE, ports=[22]))


ARP: list[tuple[str, Callable[[RunContext, Step], Any]]] = [
    ("fence.address-silent", silence.address_silent),
    ("fence.host-unheard", silence.host_unheard),
]


@pytest.mark.parametrize(("name", "action"), ARP)
def test_arp_from_the_standby(name: str, action: Callable[[RunContext, Step], Any]) -> None:
    there = step(name, address="198.51.100.11")
    fleet = FakeFleet().script("node2", "silent", {"answered": False, "by": None, "seconds": 1.0})
    assert action(context(fleet), there).facts["holds"] is True
    assert fleet.calls[0].argv == ("silent", "198.51.100.11", "--for", "1")
    fleet = FakeFleet().script("node2", "silent", {"answered": True, "by": "02:4C:50:53:45:1E"})
    with pytest.raises(StepFailed, match="02:4C:50:53:45:1E"):
        action(context(fleet), there)
    with pytest.raises(StepFailed):
        action(context(FakeFleet().script("node2", "silent", {})), there)
    with pytest.raises(UnreachableError):
        action(context(FakeFleet(dead={"node2"})), there)


def test_a_receiver_that_hears_is_life() -> None:
    listen = step("fence.receiver-silent", node="node1")
    quiet = {"heard": False, "connected": True, "last": 5.0, "place": "0/3000", "seconds": 1.0}
    facts = silence.receiver_silent(context(FakeFleet().script("node2", "receiver", quiet)), listen).facts
    assert (facts["holds"], facts["connected"], facts["place"]) == (True, True, "0/3000")
    for answer in ({**quiet, "heard": True}, {}):
        with pytest.raises(StepFailed, match="still receives"):
            silence.receiver_silent(context(FakeFleet().script("node2", "receiver", answer)), listen)
