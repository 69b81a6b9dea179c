"""Ansible reads the same inventory as lpse-ops and sees the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lpse_ops.site import load_site
from tests.support.inventory import make_inventory
from tests.support.modules import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_inventory(tmp_path_factory.mktemp("ansible") / "office")


@pytest.fixture(scope="module")
def seen(folder: Path) -> dict[str, Any]:
    """What `ansible-inventory -i FOLDER` makes of the whole folder, as a person would name it."""
    command = [
        str(Path(sys.executable).with_name("ansible-inventory")),
        "-i",
        str(folder),
        "--list",
        "--export",
    ]
    command += ["--vault-password-file", str(folder / ".vault-password")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "WARNING" not in done.stderr
    return dict(json.loads(done.stdout))


def test_hosts_and_groups(folder: Path, seen: dict[str, Any]) -> None:
    site = load_site(folder)
    assert set(seen["nodes"]["hosts"]) == set(site.nodes)
    assert seen["repository"]["hosts"] == [site.repository.name]
    assert set(seen["all"]["children"]) == {"ungrouped", "nodes", "repository"}
    assert "hosts" not in seen.get("ungrouped", {})


def test_values_and_secrets(folder: Path, seen: dict[str, Any]) -> None:
    site = load_site(folder)
    variables = seen["all"]["vars"]
    ours = site.model_dump(mode="json", by_alias=True)
    theirs = variables["lpse"]
    for name in (
        "service",
        "instance",
        "database",
        "fencing",
        "replication",
        "time_zone",
        "packages",
        "access",
    ):
        assert ours[name] == theirs[name], name
    assert variables["lpse_secrets"]["status_key"] == site.secrets.status_key.get_secret_value()
    assert variables["ansible_user"] == "lpse-admin"
