"""Versions agree, the lock is public, and set-up installs what the lab needs."""

import re
import tomllib

import lpse_ops
from lpse_ops.lab.tools import TOOLS
from tests.support.modules import ROOT


def test_the_helper_on_hosts_has_our_version() -> None:
    files = [p for p in (ROOT / "roles" / "node").rglob("*") if p.is_file()]
    found = {
        match[1]
        for path in files
        for match in re.finditer(
            r"""^\s*(?:node_version:|(?:readonly )?VERSION=|version=)\s*['"]?(\d+\.\d+\.\d+)""",
            path.read_text(errors="replace"),
            re.M,
        )
    }
    assert found == {lpse_ops.__version__}


def test_the_lock_names_public_hosts_only() -> None:
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_the_lock_fits_the_project() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (own,) = (package for package in lock["package"] if package["name"] == "lpse-ops")

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[<>=!~ ]", requirement)[0].lower() for requirement in requirements}

    assert {r["name"] for r in own["metadata"]["requires-dist"]} == names(project["project"]["dependencies"])
    assert {r["name"] for r in own["metadata"]["requires-dev"]["dev"]} == names(
        project["dependency-groups"]["dev"]
    )
    ansible = {package["version"] for package in lock["package"] if package["name"] == "ansible-core"}
    assert {version.rsplit(".", 1)[0] for version in ansible} == {"2.19", "2.21"}


def test_setup_installs_what_the_lab_needs() -> None:
    text = (ROOT / "scripts" / "setup.sh").read_text()
    block = re.search(r"^PACKAGES=\(\n(.*?)^\)$", text, re.M | re.S)
    assert block
    assert set(TOOLS.values()) - set(block[1].split()) == set()


def test_nothing_of_this_machine_is_in_the_tree() -> None:
    """No mirror, no private path: the tree must work anywhere."""
    text = (ROOT / "Makefile").read_text() + (ROOT / "scripts" / "setup.sh").read_text()
    text += (ROOT / "pyproject.toml").read_text() + (ROOT / ".ci" / "run").read_text()
    assert not re.search(r"index-url|find-links|/root/|/work/", text)
