"""Entering a lab's network: its own words for each way it can fail."""

import ctypes
import os
from pathlib import Path

import pytest

from lpse_ops.errors import LabError
from lpse_ops.site import Site, load_site, network
from tests.support.inventory import make_inventory


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(network, "_NAMESPACES", tmp_path / "netns")
    (tmp_path / "netns").mkdir()
    folder = make_inventory(tmp_path / "mylab" / "site")
    (tmp_path / "mylab" / "lab.json").write_text("{}")
    return load_site(folder)


def test_a_real_site_changes_nothing(tmp_path: Path) -> None:
    before = Path("/proc/self/ns/net").readlink()
    network.enter_network(load_site(make_inventory(tmp_path / "office")))
    assert Path("/proc/self/ns/net").readlink() == before


def test_lab_not_up(site: Site) -> None:
    with pytest.raises(LabError, match="'mylab' is not up") as caught:
        network.enter_network(site)
    assert "lpse-ops lab up --name mylab" in caught.value.hint


def test_no_root(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netns" / "lpse-lab-mylab-controller").touch()

    def refused(_descriptor: int) -> None:
        raise PermissionError(1, os.strerror(1))

    monkeypatch.setattr(network, "_setns", refused)
    with pytest.raises(LabError, match="root only") as caught:
        network.enter_network(site)
    assert "sudo" in caught.value.hint


def test_not_a_namespace(site: Site, tmp_path: Path) -> None:
    (tmp_path / "netns" / "lpse-lab-mylab-controller").touch()
    with pytest.raises(LabError, match=r"cannot be entered|root only"):
        network.enter_network(site)


def test_already_inside_needs_no_right(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netns" / "lpse-lab-mylab-controller").symlink_to("/proc/self/ns/net")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_a, **_k: pytest.fail("not needed"))
    network.enter_network(site)


def test_second_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPSE_OPS_LAB_CONTROLLER", "controller2")
    assert network.controller_namespace("a") == "lpse-lab-a-controller2"
    monkeypatch.setenv("LPSE_OPS_LAB_CONTROLLER", "")
    assert network.controller_namespace("a") == "lpse-lab-a-controller"
