"""Faults around a failover: what each costs, what is said, and that the run goes on once the cause is mended.

Rows of docs/reliability.md, as far as they have no module of their own (fencing, controllers, refusals; the guard's
tests are in tests/lab).
"""

import json
import subprocess

import pytest

from lpse_ops.drill.prepare import on_host, set_start_seconds
from lpse_ops.lab.lab import Lab
from lpse_ops.lab.names import mac_address
from lpse_ops.waiting import wait_until
from tests.drills.bench import (
    all_said,
    changed,
    error,
    forget_runs,
    get,
    killed,
    lpse_ops,
    served_by,
    sql,
    started,
)
from tests.faults.row import journals

OLD, NEW = "node1", "node2"
SERVICE = "198.51.100.10"
SECOND = {"LPSE_OPS_LAB_CONTROLLER": "controller2"}


@pytest.fixture
def site(protected_lab: Lab) -> Lab:
    """A protected site, no runs known to its controller."""
    forget_runs(protected_lab)
    return protected_lab


def shell(lab: Lab, host: str, text: str) -> str:
    """Run a script as root on a host."""
    return on_host(lab, host, ["sh", "-ec", text])


def finishes(done: subprocess.CompletedProcess[str], lab: Lab) -> None:
    """The command has brought the service up on the new node."""
    assert done.returncode == 5, done.stdout[-3000:] + done.stderr[-3000:]
    assert served_by(lab, NEW) == []


def killed_at(lab: Lab, at: str) -> None:
    """Cut the power of the active node and let a failover die at a moment of a step."""
    lab.power_cut(OLD)
    dead = lpse_ops(lab, "failover", "--yes", LPSE_OPS_KILL_AT=at)
    assert killed(dead), dead.stdout[-2000:] + dead.stderr[-2000:]


# ---- row 2: connections


def test_a_connection_lost_in_mid_command_loses_no_work(site: Lab) -> None:
    """Every session of the controller on the new node is cut while the application starts; the reply never comes."""
    set_start_seconds(site, 8)
    site.power_cut(OLD)
    run = started(site, "failover", "--yes")

    def starting() -> bool:
        return any(
            '"intent","step":"application.start"' in p.read_text() for p in journals(site)[0].glob("*.jsonl")
        )

    assert wait_until(starting, 60, every=0.05)
    assert wait_until(
        lambda: "activating" in on_host(site, NEW, ["systemctl", "show", "spse@production"]), 20
    )
    site.run(NEW, ["pkill", "-KILL", "-u", "lpse-hot"])
    said = run.communicate(timeout=120)[0]
    assert run.returncode == 4, said
    done = lpse_ops(site, "resume", "--yes")
    finishes(done, site)
    ends = [
        json.loads(line) for p in journals(site)[0].glob("*.jsonl") for line in p.read_text().splitlines()
    ]
    starts = [e for e in ends if e.get("step") == "application.start" and e["type"] == "outcome"]
    assert starts[0]["status"] == "failed"
    assert on_host(site, NEW, ["pgrep", "-c", "-u", "spse", "java"]).strip() == "1"


def test_rights_that_are_gone_in_mid_run(site: Lab) -> None:
    killed_at(site, "after:loss.confirm")
    shell(site, NEW, "mv /etc/sudoers.d/lpse-node /root/")
    found = error(lpse_ops(site, "resume", "--yes"), 3)
    assert "sudo" in all_said(found)
    shell(site, NEW, "mv /root/lpse-node /etc/sudoers.d/")
    finishes(lpse_ops(site, "resume", "--yes"), site)


# ---- row 3: the active node


@pytest.mark.parametrize(
    ("process", "unit"), [("postgres", "postgresql@*-main.service"), ("java", "spse@production.service")]
)
def test_a_half_dead_active_node_is_fenced(site: Lab, process: str, unit: str) -> None:
    """Its database or application died and does not come again; the host itself is well and answers."""
    names = shell(site, OLD, f"systemctl list-units --plain --no-legend '{unit}' | cut -d ' ' -f 1").split()
    shell(site, OLD, f"systemctl mask --runtime {names[0]}")
    site.kill(OLD, process)
    finishes(lpse_ops(site, "failover", "--yes"), site)
    assert not site.is_on(OLD)


def test_a_network_that_is_cut_in_one_direction(site: Lab) -> None:
    """What the active node sends is lost; it hears everything. It may only be failed over once nobody hears it."""
    site.partition(OLD, one_way=True)
    assert wait_until(lambda: lpse_ops(site, "failover", "--plan").returncode == 0, 90, every=1), lpse_ops(
        site, "failover", "--plan"
    ).stdout
    finishes(lpse_ops(site, "failover", "--yes"), site)
    assert not site.is_on(OLD)


# ---- row 6: the standby


def test_a_standby_promoted_by_hand_in_mid_run(site: Lab) -> None:
    killed_at(site, "after:loss.confirm")
    assert sql(site, NEW, "SELECT pg_promote()") == "t"
    found = error(lpse_ops(site, "resume", "--yes"), 3)
    assert "superseded" in found["message"]
    assert "not by this run" in all_said(found)


# ---- row 9: address, proxy, port


def test_the_new_node_is_found_where_the_old_one_was(site: Lab) -> None:
    """A machine of the network that knew the old node's hardware address learns the new one without asking."""
    ask = ["curl", "-s", "-k", "-o", "/dev/null", "--max-time", "5", f"https://{SERVICE}/"]
    look = ["ip", "neigh", "show", SERVICE]
    assert site.run("controller2", ask).returncode == 0
    assert mac_address(OLD) in site.run("controller2", look).stdout
    site.power_cut(OLD)
    finishes(lpse_ops(site, "failover", "--yes"), site)
    assert wait_until(lambda: mac_address(NEW) in site.run("controller2", look).stdout, 15), site.run(
        "controller2", look
    ).stdout
    assert site.run("controller2", ask).returncode == 0


def test_a_proxy_that_cannot_start(site: Lab) -> None:
    """Its configuration has a syntax error; it was stopped since."""
    shell(
        site, NEW, "echo 'NoSuchDirective on' > /etc/apache2/conf-enabled/broken.conf; systemctl stop apache2"
    )
    site.power_cut(OLD)
    found = error(lpse_ops(site, "failover", "--yes"), 4)
    assert "apache2" in all_said(found) + found["hint"]
    shell(site, NEW, "rm /etc/apache2/conf-enabled/broken.conf; systemctl start apache2")
    finishes(lpse_ops(site, "resume", "--yes"), site)


def test_a_taken_port_of_the_application(site: Lab) -> None:
    listen = "python3 -m http.server 9090 --bind 127.0.0.1 --directory /run/lpse"
    shell(site, NEW, f"systemd-run -q --unit=squatter {listen}")
    site.power_cut(OLD)
    path = site.site_folder / "group_vars" / "all" / "site.yml"
    patient = "start_timeout_s: 120"
    assert patient in path.read_text()
    with changed(path, path.read_text().replace(patient, "start_timeout_s: 15")):
        found = error(lpse_ops(site, "failover", "--yes"), 4)
    assert "application" in all_said(found)
    assert get(site, "/eproc4/lelang") == 503, "the public sees the notice meanwhile"
    shell(site, NEW, "systemctl stop squatter")
    finishes(lpse_ops(site, "resume", "--yes"), site)


# ---- row 11: two at once, and changes while it runs


def test_the_same_run_gone_on_with_twice_at_once(site: Lab) -> None:
    killed_at(site, "after:epoch.repository")
    both = [
        started(site, "resume", "--yes"),
        started(site, "resume", "--from", "repository", "--yes", **SECOND),
    ]
    said = [run.communicate(timeout=180)[0] for run in both]
    codes = [run.returncode for run in both]
    assert codes.count(5) == 1, (codes, said)
    assert set(codes) <= {3, 5, 6}, (codes, said)
    assert served_by(site, NEW) == []
    finisher = {} if codes[0] == 5 else SECOND
    verified = lpse_ops(site, "journal", "verify", **finisher)
    assert verified.returncode == 0, verified.stdout


def test_an_inventory_edited_while_a_run_is_at_work(site: Lab) -> None:
    path = site.site_folder / "group_vars" / "all" / "site.yml"
    site.power_cut(OLD)
    run = started(site, "failover", "--yes", LPSE_OPS_KILL_AT="after:epoch.repository")
    assert run.stdout is not None
    first = next(line for line in run.stdout if "✓" in line)
    with changed(path, path.read_text().replace("rpo_s: 60", "rpo_s: sixty")):
        rest = run.communicate(timeout=120)[0]
        assert run.returncode == -9, first + rest  # it did not look at the file again
        found = error(lpse_ops(site, "resume", "--yes"), 2)
        assert "rpo_s" in all_said(found)
    finishes(lpse_ops(site, "resume", "--yes"), site)
