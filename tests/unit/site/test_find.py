"""Which inventory is meant."""

from pathlib import Path

import pytest

from lpse_ops.errors import UsageError
from lpse_ops.site.find import find_inventory


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LPSE_OPS_SITE", raising=False)
    monkeypatch.setenv("LPSE_OPS_LAB_HOME", str(tmp_path / "labs"))
    return tmp_path


def make(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "hosts.yml").write_text("")
    return path


def make_lab(here: Path, name: str) -> Path:
    (here / "labs" / name).mkdir(parents=True)
    (here / "labs" / name / "lab.json").write_text("{}")
    return make(here / "labs" / name / "site")


def test_by_folder_and_by_name(here: Path) -> None:
    folder = make(here / "inventory" / "office")
    assert find_inventory(folder) == folder
    assert find_inventory("office") == folder


def test_the_only_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no inventory here"):
        find_inventory(None)
    make(here / "inventory" / "example")
    office = make(here / "inventory" / "office")
    assert find_inventory(None) == office
    make_lab(here, "default")
    with pytest.raises(UsageError, match=r"Which site\? There are: office, lab:default"):
        find_inventory(None)
    monkeypatch.setenv("LPSE_OPS_SITE", "lab")
    assert find_inventory(None) == here / "labs" / "default" / "site"


def test_labs(here: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_inventory("lab:two")
    assert "lpse-ops lab up --name two" in caught.value.hint
    assert find_inventory("lab:two") if make_lab(here, "two") else None
    assert find_inventory(None) == here / "labs" / "two" / "site"


def test_unknown(here: Path) -> None:
    make(here / "inventory" / "office")
    with pytest.raises(UsageError) as caught:
        find_inventory("ofice")
    assert "office" in caught.value.hint
