"""`lpse-ops verify` in a lab: clean where all is right, one finding a planted fault, deaf to the caller's pytest."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lpse_ops.lab.lab import Lab
from lpse_ops.lab.standin import seed
from lpse_ops.waiting import scaled, wait_until
from tests.lab.verify_faults import ACTIVE, FAULTS, STANDBY, Fault

ROOT = Path(__file__).parents[2]
COUNTED = "select count(*), count(*) filter (where dok_kunci::text like '76657269-6679-%') from dok_penawaran"


@pytest.fixture(scope="module")
def site(at: Callable[[str], Lab]) -> Lab:
    """A protected lab with data in it, whose documents have reached the standby."""
    lab = at("protected")
    seed.load(lab, ACTIVE, tenders=10, documents=20)
    assert wait_until(lambda: verify(lab, "--only", "documents")[0] == 0, 90, every=2.0)
    return lab


def verify(lab: Lab, *words: str, cwd: Path = ROOT, **environment: str) -> tuple[int, dict[str, Any]]:
    """Run the command as a person would; return its exit code and its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "lpse_ops", "verify", *words, "--site", f"lab:{lab.name}", "--output", "json"],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=scaled(120),
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def findings(result: dict[str, Any]) -> dict[str, str]:
    return {finding["id"]: finding["message"] for finding in result["findings"]}


def shell(lab: Lab, host: str, text: str) -> None:
    done = lab.run(host, ["sh", "-ec", text])
    assert done.returncode == 0, (host, text, done.stdout, done.stderr)


def test_clean_site_passes_and_quickly(site: Lab, tmp_path: Path) -> None:
    code, result = verify(site, "--junit", str(tmp_path / "verify.xml"))
    assert (code, findings(result)) == (0, {})
    assert result["skipped"] == result["failed"] == 0
    assert result["roles"] == {ACTIVE: "active", STANDBY: "standby", "repository": "repository"}
    assert result["seconds"] <= scaled(40)
    assert "test_outside.py::test_offer_is_kept[service]" in {test["id"] for test in result["tests"]}
    assert len(list(ET.parse(tmp_path / "verify.xml").iter("testcase"))) == result["passed"]  # noqa: S314 - our own


def test_one_node_alone_has_enough_checks(site: Lab) -> None:
    code, result = verify(site, ACTIVE)
    assert (code, findings(result)) == (0, {})
    assert result["passed"] >= 60
    assert result["skipped"] == 0
    assert result["seconds"] <= scaled(20)
    assert {test["host"] for test in result["tests"]} == {ACTIVE, ""}


@pytest.mark.one_release
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_planted_fault_is_found(site: Lab, fault: Fault) -> None:
    lab = site
    try:
        shell(lab, fault.host, fault.plant)
        if fault.name == "extra listening port":
            assert wait_until(lambda: "8088" in lab.run(fault.host, ["ss", "-Hltn"]).stdout, 20)
        code, result = verify(lab, fault.host, "--only", fault.only)
    finally:
        shell(lab, fault.host, fault.undo)
    assert code == 7
    found = findings(result)
    assert set(fault.found_by) <= set(found), found
    for name in fault.found_by:
        assert found[name].startswith((f"{fault.host}: ", "https://")), found[name]
    settled = wait_until(lambda: verify(lab, fault.host, "--only", fault.only)[0] == 0, 30, every=1.0)
    assert settled, findings(verify(lab, fault.host, "--only", fault.only)[1])


@pytest.mark.one_release
def test_clock_that_is_off_is_found(site: Lab) -> None:
    """Hosts share the machine's clock, so the shift is injected where the check reads it."""
    script = (
        "from lpse_ops.site import enter_network, load_site\n"
        "from lpse_ops.verification import verify\n"
        f"site = load_site('lab:{site.name}', secrets=False)\n"
        "enter_network(site)\n"
        f"result = verify(site, ['{ACTIVE}', '{STANDBY}'], only='clock', clock_shift_s={{'{STANDBY}': -2.5}})\n"
        "print([finding.id for finding in result.findings], result.findings[0].message)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("['test_clock.py::test_offset[node2]'] node2: "), done.stdout
    assert " is -2." in done.stdout


@pytest.mark.one_release
def test_callers_pytest_settings_have_no_effect(site: Lab, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\npython_functions = nothing_*\n")
    (tmp_path / "conftest.py").write_text("raise SystemExit('hostile conftest')\n")
    (tmp_path / "testinfra.py").write_text("raise SystemExit('hostile module')\n")
    code, result = verify(
        site,
        *(ACTIVE, "--only", "clock"),
        cwd=tmp_path,
        PYTEST_ADDOPTS="-k nothing --no-such-option",
        PYTEST_PLUGINS="no_such_plugin",
    )
    assert code == 0
    assert result["passed"] >= 5
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {
        "pytest.ini",
        "conftest.py",
        "testinfra.py",
    }


def test_it_leaves_only_marked_offers(site: Lab) -> None:
    def offers() -> tuple[int, int]:
        """Return the numbers of all offers and of the marked ones."""
        asked = f"cd / && runuser -u postgres -- psql -XAtq -F ' ' -d epns_prod -c \"{COUNTED}\""
        all_, marked = site.run(ACTIVE, ["sh", "-c", asked]).stdout.split()
        return int(all_), int(marked)

    all_, marked = offers()
    assert verify(site, ACTIVE, "--only", "outside")[0] == 0
    assert offers() == (all_ + 1, marked + 1)
    left = site.run(ACTIVE, ["sh", "-c", "ls -A /home/lpse-admin; pgrep -u lpse-admin -a"]).stdout
    assert "python" not in left
    assert "lpse_ops" not in left


@pytest.mark.one_release
def test_a_host_that_does_not_answer_stops_it_before_any_test(site: Lab) -> None:
    site.partition("repository")
    try:
        code, result = verify(site)
    finally:
        site.heal()
    assert code == 3
    assert [reason.split(" ")[0] for reason in result["error"]["reasons"]] == ["repository"]
    assert verify(site, ACTIVE, STANDBY, "--only", "clock")[0] == 0


@pytest.mark.one_release
def test_unknown_words_are_usage_errors(site: Lab) -> None:
    assert verify(site, "node9")[0] == 2
    assert verify(site, "--only", "colours")[0] == 2
