"""Snapshots as stacked layers: pure bookkeeping in host.json and snapshots.json."""

from pathlib import Path

import pytest

from lpse_ops.errors import LabError
from lpse_ops.lab import host, power, snapshot
from lpse_ops.lab.names import LabNames
from lpse_ops.lab.power import HostFile


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabNames:
    monkeypatch.setenv("LPSE_OPS_LAB_HOME", str(tmp_path))
    return LabNames("x")


@pytest.fixture
def node(names: LabNames) -> HostFile:
    return host.describe(names, "node1", Path("/cache/images/1"), Path("/cache/stores/1"))


def options(described: HostFile) -> str:
    """The overlay options with which a host would start."""
    return next(word for word in power.start_command(described) if "lowerdir=" in word)


def test_a_description_is_read_back_as_it_was_written(node: HostFile) -> None:
    assert power.load(Path(node.base)) == node
    assert host.find(LabNames("x"), "node1") == node


def test_no_lab_no_host(names: LabNames) -> None:
    with pytest.raises(LabError, match="no lab 'x'") as caught:
        host.find(names, "node1")
    assert "lab up --name x" in caught.value.hint


def test_closing_a_layer_puts_a_new_one_on_top(node: HostFile) -> None:
    assert snapshot.close_layer(node) == ["0"]
    once = power.load(Path(node.base))
    assert (once.layers, once.upper) == (["0"], "1")
    assert snapshot.close_layer(once) == ["0", "1"]
    twice = power.load(Path(node.base))
    assert (twice.layers, twice.upper) == (["0", "1"], "2")
    layers = f"{node.base}/disk/layers"
    # The newest layer is the first to be asked, the image the last.
    assert options(twice).split(",")[1] == f"lowerdir={layers}/1/upper:{layers}/0/upper:/cache/images/1/root"
    assert f"upperdir={layers}/2/upper" in options(twice)


def test_going_back_never_reuses_a_layer_and_keeps_those_of_other_snapshots(node: HostFile) -> None:
    changed = node._replace(layers=["0", "1", "2"], upper="9")
    snapshot.back_to(changed, ["0"], kept=["0", "1", "10"])
    back = power.load(Path(node.base))
    assert (back.layers, back.upper, tuple(back.kept)) == (["0"], "11", ("1", "10"))
    assert "0 11 1 10" in power.start_command(back)


def test_snapshots_are_found_by_label(names: LabNames, node: HostFile) -> None:
    assert snapshot.load(names) == {}
    with pytest.raises(LabError, match="'y'"):
        snapshot.get(names, "y")
    snapshot.store(names, {"a": {"node1": {"layers": ["0"], "powered": True}}})
    assert snapshot.get(names, "a")["node1"]["powered"]
    with pytest.raises(LabError) as caught:
        snapshot.get(names, "y")
    assert caught.value.hint == "There are: a."
