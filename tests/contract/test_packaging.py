"""Versions agree, the lock is public, and set-up installs what the lab needs."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as `make wheel` builds it, unpacked where nothing of the checkout is."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_all_that_hosts_get_and_no_site(wheel: Path) -> None:
    content = wheel / "lpse_ops" / "_content"
    for folder in ("playbooks", "roles", "templates"):
        ours = {
            p.relative_to(ROOT)
            for p in (ROOT / folder).rglob("*")
            if p.is_file() and "__pycache__" not in p.parts
        }
        theirs = {p.relative_to(content) for p in (content / folder).rglob("*") if p.is_file()}
        assert ours - theirs == set()
    assert {path.name for path in (content / "inventory").iterdir()} == {"example", "lab"}


def test_the_wheel_works_from_anywhere(wheel: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lpse_ops", *words],
            cwd="/",
            env={"PYTHONPATH": str(wheel), "PATH": "/usr/bin:/bin", "HOME": str(wheel)},
            capture_output=True,
            text=True,
            check=False,
        )

    where = "import lpse_ops, sys; sys.stdout.write(lpse_ops.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where],
        check=True,
        cwd="/",
        env={"PYTHONPATH": str(wheel)},
        capture_output=True,
    )
    assert found.stdout.decode().startswith(str(wheel))
    assert run("--version").stdout.split()[-1] == lpse_ops.__version__
    assert "Usage" in run("drill", "lab", "--help").stdout
    checked = run(
        "site", "check", "--site", str(wheel / "lpse_ops/_content/inventory/example"), "--output", "json"
    )
    assert checked.returncode == 2, checked.stderr
    assert json.loads(checked.stdout)["faults"]


def test_shellcheck_sees_all_of_the_helper() -> None:
    """scripts/lint.sh chooses scripts by ending or first line; the helper's parts have the ending alone."""
    text = (ROOT / "scripts" / "lint.sh").read_text()
    assert '"${file%.sh}" != "$file"' in text
    parts = sorted(path.name for path in (ROOT / "roles/node/files/node.d").iterdir())
    assert [name for name in parts if not name.endswith(".sh")] == ["json.awk"]
