"""Names of labs: what can be one, and that no two labs share a name of anything."""

from pathlib import Path

import pytest

from lpse_ops.errors import LabError
from lpse_ops.lab.names import ADDRESSES, NAMESPACES, LabNames, known_host, mac_address, release_name


@pytest.mark.parametrize("name", ["a", "default", "t123-12", "0", "a" * 24])
def test_good_names(name: str) -> None:
    assert LabNames(name).name == name


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a" * 25, "a.b", "../a", "a b", "ä", "a\n"])
def test_bad_names_are_refused_with_the_rule(name: str) -> None:
    with pytest.raises(LabError) as caught:
        LabNames(name)
    assert "lower-case" in caught.value.hint
    assert caught.value.exit_code == 2


def test_everything_of_a_lab_is_named_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPSE_OPS_LAB_HOME", "/somewhere")
    names = LabNames("x")
    assert names.namespace("switch") == "lpse-lab-x-switch"
    assert names.machine("node1") == "lpse-x-node1"
    assert names.state == Path("/somewhere/x")
    assert names.site == Path("/somewhere/x/site")
    assert names.lock_file.parent == Path("/somewhere")


def test_a_lab_named_after_a_host_of_another_shares_nothing_with_it() -> None:
    one, other = LabNames("a"), LabNames("a-node1")
    assert not {one.namespace(h) for h in NAMESPACES} & {other.namespace(h) for h in NAMESPACES}


def test_addresses_and_hardware_addresses_are_unique() -> None:
    assert len(set(ADDRESSES.values())) == len(ADDRESSES)
    assert len({mac_address(host) for host in ADDRESSES}) == len(ADDRESSES)
    assert mac_address("node1") == "02:4c:50:53:45:0b"


def test_unknown_host_and_release() -> None:
    with pytest.raises(LabError, match="node9") as caught:
        known_host("node9", ("node1", "node2"))
    assert "node1, node2" in caught.value.hint
    with pytest.raises(LabError, match="11") as caught:
        release_name("11")
    assert "12 / 13" in caught.value.hint
    assert release_name("13") == "trixie"
