"""`lpse-ops provision` in a lab: a bare host becomes a node, a second run changes nothing, bad input is told."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lpse_ops.lab.lab import Lab
from lpse_ops.site import load_site
from lpse_ops.waiting import scaled, wait_until

ROOT = Path(__file__).parents[2]
HOSTS = ("node1", "node2", "repository")
# Everything that a task could change; not what any login leaves behind (logs, Ansible's own empty folder).
LISTING = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /dev -o -path /tmp -o -path /var/tmp"
    " -o -path /var/log -o -path /var/lib/systemd -o -path /var/lib/private -o -path '*/.ansible' \\) -prune"
    " -o \\( -type d -printf 'd %m %u %g %p\\n' \\) -o -printf '%y %m %u %g %s %T@ %p %l\\n' | LC_ALL=C sort"
)


def provision(lab: Lab, *words: str, seconds: float = 480, **environment: str) -> tuple[int, dict[str, Any]]:
    """Run the command as a program would; return its exit code and its JSON."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "lpse_ops",
            "provision",
            *words,
            "--site",
            f"lab:{lab.name}",
            "--output",
            "json",
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=scaled(seconds),
        check=False,
    )
    assert done.stdout, done.stderr
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def listing(lab: Lab) -> dict[str, set[str]]:
    return {host: set(lab.run(host, ["sh", "-c", LISTING]).stdout.splitlines()) for host in HOSTS}


def observe(lab: Lab, host: str) -> dict[str, Any]:
    done = lab.run(host, ["/usr/local/sbin/lpse-node", "observe"])
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@contextmanager
def edited(path: Path, text: str) -> Iterator[None]:
    before = path.read_text()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


def test_check_of_bare_hosts_changes_nothing(bare_lab: Lab) -> None:
    before = listing(bare_lab)
    assert all(len(files) > 1000 for files in before.values())
    code, result = provision(bare_lab, "--check")
    assert code == 0, result
    assert result["check"] is True
    assert all(count > 0 for count in result["changed"].values())
    after = listing(bare_lab)
    assert {host: sorted(before[host] ^ after[host])[:10] for host in HOSTS} == {host: [] for host in HOSTS}


def test_provisioned_site_serves_and_stays(provisioned_lab: Lab) -> None:
    active = observe(provisioned_lab, "node1")
    assert active["guard"]["state"] == "active"
    assert active["database"]["in_recovery"] is False
    assert active["application"]["ready"] is True
    assert (active["address"]["held"], active["proxy"]["open"]) == (True, True)
    spare = observe(provisioned_lab, "node2")
    assert spare["guard"]["state"] == "holding"
    assert spare["database"]["running"] is False
    assert spare["application"]["state"] == "inactive"
    assert (spare["address"]["held"], spare["proxy"]["open"]) == (False, False)

    before = listing(provisioned_lab)
    code, result = provision(provisioned_lab)
    assert (code, result.get("changed")) == (0, dict.fromkeys(HOSTS, 0)), result
    code, result = provision(provisioned_lab, "--check")
    assert (code, result.get("changed")) == (0, dict.fromkeys(HOSTS, 0)), result
    after = listing(provisioned_lab)
    for host in HOSTS:
        # The data of a database at work moves by itself.
        moved = [
            f for f in before[host] ^ after[host] if "/var/lib/postgresql/" not in f and "/home/" not in f
        ]
        assert [f for f in moved if "/var/lib/lpse-ops/" not in f and "/var/lib/chrony" not in f] == []


def test_no_secret_stays_in_the_open(provisioned_lab_of_module: Lab) -> None:
    lab = provisioned_lab_of_module
    secrets = _secrets(lab)
    for host in ("node1", "node2"):
        found = lab.run(
            host,
            [
                "grep",
                "--recursive",
                "--files-with-matches",
                "--fixed-strings",
                "--file=-",
                "/etc",
                "/var/log",
                "/usr/local",
            ],
            input="\n".join(secrets) + "\n",
        ).stdout.split()
        modes = {path: lab.run(host, ["stat", "--format=%a", path]).stdout.strip() for path in found}
        assert [path for path, mode in modes.items() if not mode.endswith("0")] == []
        assert found, "the search finds what it should: the settings that hold the secrets"
        assert [path for path in found if path.startswith("/var/log")] == []
        journal = lab.run(host, ["journalctl", "--no-pager", "--output=cat"]).stdout
        assert len(journal) > 10_000
        assert [secret for secret in secrets if secret in journal] == [], "a secret is in the journal"
        mode = lab.run(
            host, ["stat", "--format=%a %U %G", "/home/appserv/production/webapp/conf/application.conf"]
        ).stdout
        assert mode.split() == ["640", "root", "spse"]


def _secrets(lab: Lab) -> list[str]:
    site = load_site(lab.site_folder)
    values = [
        value.get_secret_value()
        for name, value in site.secrets
        if name != "bmc_passwords" and hasattr(value, "get_secret_value")
    ]
    # A key has many lines: each that is its own alone.
    return [line for value in values for line in value.splitlines() if line and not line.startswith("-----")]


@pytest.mark.one_release
def test_unknown_host_is_named_with_the_known_ones(provisioned_lab_of_module: Lab) -> None:
    code, result = provision(provisioned_lab_of_module, "node9")
    assert code == 2
    assert "node9" in result["error"]["message"]
    assert all(host in result["error"]["hint"] for host in HOSTS)
    code, result = provision(provisioned_lab_of_module, "--active", "repository")
    assert code == 2
    assert "node1" in result["error"]["hint"]


@pytest.mark.one_release
def test_wrong_vault_password(provisioned_lab_of_module: Lab, tmp_path: Path) -> None:
    wrong = tmp_path / "password"
    wrong.write_text("certainly not\n")
    code, result = provision(provisioned_lab_of_module, "--vault-password-file", str(wrong))
    assert code == 2
    assert "password" in result["error"]["message"]
    assert "certainly not" not in json.dumps(result)


@pytest.mark.one_release
def test_changed_host_key_is_refused(provisioned_lab_of_module: Lab) -> None:
    known = provisioned_lab_of_module.site_folder / "known_hosts"
    lines = known.read_text().splitlines()
    first = next(line for line in lines if line.startswith("198.51.100.11,"))
    other = next(line for line in lines if line.startswith("198.51.100.12,"))
    swapped = " ".join([first.split()[0], *other.split()[1:]])
    with edited(known, "\n".join(swapped if line == first else line for line in lines) + "\n"):
        code, result = provision(provisioned_lab_of_module)
    assert code == 3
    assert "node1" in result["error"]["message"] + " ".join(result["error"]["reasons"])
    assert result["error"]["type"] == "HostKeyError"
    assert "console" in result["error"]["hint"]


@pytest.mark.one_release
def test_unreachable_host_is_refused_before_anything_changes(provisioned_lab_of_module: Lab) -> None:
    lab = provisioned_lab_of_module
    lab.partition("node2")
    try:
        code, result = provision(lab)
        assert code == 3
        assert result["error"]["type"] == "UnreachableError"
        assert "node2" in result["error"]["message"]
        # Without it the others can be provisioned: two of three voters answer.
        code, result = provision(lab, "node1", "repository")
        assert (code, result.get("changed")) == (0, {"node1": 0, "repository": 0}), result
    finally:
        lab.heal()


@pytest.mark.one_release
def test_damaged_record_is_refused(provisioned_lab_of_module: Lab) -> None:
    lab = provisioned_lab_of_module
    record = "/var/lib/lpse-ops/epoch.json"
    lab.run("repository", ["cp", "-p", record, f"{record}.kept"])
    try:
        lab.run("repository", ["tee", record], input="not json")
        code, result = provision(lab, "node2")
    finally:
        lab.run("repository", ["mv", f"{record}.kept", record])
    assert code == 3
    assert "damaged" in " ".join(result["error"]["reasons"])
    assert "repository" in " ".join(result["error"]["reasons"])


@pytest.mark.one_release
def test_changed_settings_reach_the_running_application(provisioned_lab_of_module: Lab) -> None:
    lab = provisioned_lab_of_module
    settings = "/home/appserv/production/webapp/conf/application.conf"

    def process() -> str:
        return str(lab.run("node1", ["systemctl", "show", "--property=MainPID", "spse@production"]).stdout)

    before = process()
    lab.run("node1", ["sh", "-c", f"echo '# by hand' >> {settings}"])
    code, result = provision(lab, "node1")
    # The file, and the restart.
    assert (code, result.get("changed")) == (0, {"node1": 2}), result
    assert lab.run("node1", ["grep", "-c", "by hand", settings]).stdout.strip() == "0"
    assert process() != before
    assert wait_until(lambda: observe(lab, "node1")["application"]["ready"], 60)
    assert observe(lab, "node1")["proxy"]["open"]
