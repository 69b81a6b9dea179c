"""The JSON of a host is read strictly: every fault names host and key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpse_ops.errors import InternalError
from lpse_ops.observe.facts import NodeState
from lpse_ops.observe.lsn import Lsn
from lpse_ops.observe.strict import plain, read
from tests.support.observed import bent, host


@pytest.mark.parametrize("name", ["node1", "node2", "repository"])
def test_a_healthy_host_is_read_and_written_again(name: str) -> None:
    state = NodeState.parse(host(name), name)
    assert plain(state) == host(name)
    assert read(NodeState, plain(state), name) == state


def test_places_are_typed() -> None:
    state = NodeState.parse(host("node1"), "node1")
    assert state.database is not None
    assert state.database.lsn == Lsn(0x3000148)
    assert state.database.standbys[0].flush_lsn == Lsn(0x3000148)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("uptime_s", "long", "at uptime_s: 'long' is of the wrong type"),
        ("time", None, "at time: None is of the wrong type"),
        ("token", True, "at token: True is of the wrong type"),
        ("database.running", 1, "at database.running: 1 is of the wrong type"),
        ("database.lsn", "3000148", "at database.lsn: '3000148' is no place in the log"),
        ("database.standbys", {}, "at database.standbys: a list was expected"),
        ("database.surprise", 1, "at database.surprise: this key is unknown"),
        ("surprise", 1, "at surprise: this key is unknown"),
        ("record", [], "at record: an object was expected"),
    ],
)
def test_a_fault_names_host_and_key(path: str, value: object, words: str) -> None:
    with pytest.raises(InternalError) as caught:
        NodeState.parse(bent("node1", path, value), "node1")
    assert "node1" in caught.value.message
    assert words in caught.value.message
    assert "provision node1" in caught.value.hint


def test_a_fault_in_a_list_names_its_place() -> None:
    data = host("node2")
    data["samples"] = [*data["samples"], {"time": "now", "ok": False}]
    with pytest.raises(InternalError, match=r"samples\[1\]\.time"):
        NodeState.parse(data, "node2")


@pytest.mark.parametrize("data", [None, [], "x", 3])
def test_what_is_no_object_is_refused(data: object) -> None:
    with pytest.raises(InternalError, match="its top"):
        NodeState.parse(data, "node1")


def test_what_a_host_could_not_see_is_none() -> None:
    state = NodeState.parse({"version": "0.1.0", "node": "node1", "time": 1}, "node1")
    assert state.database is None
    assert state.samples == ()


@given(st.integers(0, 2**64 - 1))
def test_a_place_reads_as_it_is_written(value: int) -> None:
    assert Lsn.parse(str(Lsn(value))) == Lsn(value)


@given(st.integers(0, 2**63), st.integers(0, 2**63))
def test_places_are_ordered_and_subtracted_as_bytes(one: int, other: int) -> None:
    assert Lsn(one) - Lsn(other) == one - other
    assert (Lsn(one) < Lsn(other)) == (one < other)


@pytest.mark.parametrize("text", ["", "0", "/", "0/", "0/G", "123456789/0", "0/3000148 ", "-1/0"])
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a pg_lsn"):
        Lsn.parse(text)
