"""Faults in the lab are what they are called: lost power loses data, a hung host still answers ping, a cut is a cut."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from lpse_ops.errors import LabError
from lpse_ops.lab import network
from lpse_ops.lab.lab import Lab
from lpse_ops.site import vault
from lpse_ops.waiting import wait_until

pytestmark = pytest.mark.one_release

NODE1, NODE2 = "198.51.100.11", "198.51.100.12"
BMC = "198.51.100.21"
REFUSED = "refused"
SILENT = "silent"
ANSWERS = "answers"


# An echo request and its answer (RFC 792); the machine need not have ping.
PING = """
import socket, struct, sys
request = struct.pack("!BBHHH", 8, 0, 0xF7FF - 7, 0, 7)
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
    s.settimeout(1)
    s.sendto(request, (sys.argv[1], 0))
    while True:
        answer, (sender, _port) = s.recvfrom(100)
        if sender == sys.argv[1] and answer[20] == 0:
            sys.exit(0)
"""


def ping(lab: Lab, source: str, address: str) -> bool:
    """Whether the kernel of a host answers an echo request from a controller."""
    return lab.run(source, [sys.executable, "-c", PING, address]).returncode == 0


def connect(lab: Lab, address: str, port: int = 22, seen_from: str = "controller") -> str:
    try:
        network.connect_from(lab.names.namespace(seen_from), address, port, 0.7).close()
    except ConnectionRefusedError:
        return REFUSED
    except OSError:
        return SILENT
    return ANSWERS


def banner(lab: Lab, address: str, seen_from: str = "controller") -> bool:
    return network.banner(lab.names, address, 0.7, seen_from=seen_from).startswith("SSH-")


def ipmi(lab: Lab, tmp_path: Path, *words: str, password: str | None = None, bmc: str = BMC) -> str:
    """What ipmitool says, with the password from the site's vault as the product takes it."""
    site = lab.site_folder
    text = (site / "group_vars/all/vault.yml").read_text()
    opened = yaml.safe_load(vault.decrypt(text, (site / ".vault-password").read_text().strip()))
    file = tmp_path / "password"
    file.write_text(password or opened["lpse_secrets"]["bmc_passwords"]["node1"])
    argv = [
        "ipmitool",
        "-I",
        "lanplus",
        "-C",
        "3",
        "-H",
        bmc,
        "-U",
        "lpse",
        "-f",
        str(file),
        "-N",
        "1",
        "-R",
        "1",
    ]
    done = lab.run("controller", [*argv, *words])
    return done.stdout.strip() if done.returncode == 0 else f"failed: {done.stderr.strip()}"


# ---------------------------------------------------------------- power


def test_power_cut_loses_what_was_not_synced_and_keeps_what_was(bare_lab: Lab) -> None:
    lab = bare_lab
    script = (
        "import os\n"
        "f = open('/root/synced', 'w'); f.write('kept'); f.flush(); os.fsync(f.fileno())\n"
        "d = os.open('/root', os.O_RDONLY); os.fsync(d)\n"
        "g = open('/root/unsynced', 'w'); g.write('lost' * 1000); g.flush()\n"
    )
    assert lab.run("node1", ["python3", "-c", script]).returncode == 0
    began = time.monotonic()
    lab.power_cut("node1")
    assert time.monotonic() - began < 5
    lab.power_on("node1")
    assert lab.run("node1", ["cat", "/root/synced"]).stdout == "kept"
    assert lab.run("node1", ["cat", "/root/unsynced"]).stdout == ""


def test_a_host_without_power_is_silent(bare_lab: Lab) -> None:
    lab = bare_lab
    assert (ping(lab, "controller", NODE1), connect(lab, NODE1, 81)) == (True, REFUSED)
    lab.power_cut("node1")
    assert (ping(lab, "controller", NODE1), connect(lab, NODE1), connect(lab, NODE1, 81)) == (
        False,
        SILENT,
        SILENT,
    )
    with pytest.raises(LabError, match="is off") as caught:
        lab.run("node1", ["true"])
    assert "power-on node1" in caught.value.hint
    lab.power_cut("node1")  # off stays off
    assert lab.status().hosts[0].power == "off"
    lab.power_on("node1")
    lab.power_on("node1")  # on stays on
    assert banner(lab, NODE1)


def test_a_frozen_host_can_lose_its_power(bare_lab: Lab) -> None:
    bare_lab.freeze("node1")
    bare_lab.power_cut("node1")
    assert not bare_lab.is_on("node1")
    bare_lab.power_on("node1")
    assert not bare_lab.status().hosts[0].frozen


def test_a_process_elsewhere_does_not_keep_a_dead_disk_alive(bare_lab: Lab) -> None:
    """A copy of a mount in a foreign mount namespace would keep the file system, and its state "shut down"."""
    with subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sleep", "600"]) as bystander:
        try:
            bare_lab.power_cut("node1")
            bare_lab.power_on("node1")
            assert bare_lab.run("node1", ["touch", "/root/x"]).returncode == 0
        finally:
            bystander.kill()


def test_the_bmc_switches_the_power_for_real(bare_lab: Lab, tmp_path: Path) -> None:
    lab = bare_lab
    assert ipmi(lab, tmp_path, "power", "status") == "Chassis Power is on"
    assert "Down/Off" in ipmi(lab, tmp_path, "power", "off")
    assert ipmi(lab, tmp_path, "power", "status") == "Chassis Power is off"
    assert not lab.is_on("node1")
    assert connect(lab, NODE1) == SILENT
    assert lab.is_on("node2")
    assert "Up/On" in ipmi(lab, tmp_path, "power", "on")
    assert wait_until(lambda: banner(lab, NODE1), 30)
    boot = lab.run("node1", ["cat", "/proc/1/stat"]).stdout
    assert "Reset" in ipmi(lab, tmp_path, "power", "reset")
    assert wait_until(lambda: lab.is_on("node1") and banner(lab, NODE1), 30)
    assert lab.run("node1", ["cat", "/proc/1/stat"]).stdout != boot
    assert "Soft" in ipmi(lab, tmp_path, "power", "soft")
    assert wait_until(lambda: not lab.is_on("node1"), 60)


def test_the_bmc_wants_the_password_and_sees_what_the_lab_does(bare_lab: Lab, tmp_path: Path) -> None:
    assert ipmi(bare_lab, tmp_path, "power", "status", password="guessed").startswith("failed")
    bare_lab.power_cut("node1")
    assert ipmi(bare_lab, tmp_path, "power", "status") == "Chassis Power is off"
    bare_lab.partition("bmc1")
    assert ipmi(bare_lab, tmp_path, "power", "status").startswith("failed")
    bare_lab.heal()
    assert ipmi(bare_lab, tmp_path, "power", "status") == "Chassis Power is off"


# ---------------------------------------------------------------- freeze


def test_a_hung_host_answers_ping_but_nobody_serves(bare_lab: Lab) -> None:
    lab = bare_lab
    lab.freeze("node1", "hang")
    assert lab.status().hosts[0].frozen
    assert ping(lab, "controller", NODE1)
    assert connect(lab, NODE1) == ANSWERS
    assert not banner(lab, NODE1)
    lab.thaw("node1")
    assert wait_until(lambda: banner(lab, NODE1), 10)


def test_a_paused_host_is_gone_and_comes_back_as_it_was(bare_lab: Lab) -> None:
    lab = bare_lab
    boot = lab.run("node1", ["cat", "/proc/1/stat"]).stdout.split()[21]
    lab.freeze("node1", "pause")
    assert not ping(lab, "controller", NODE1)
    assert connect(lab, NODE1) == SILENT
    lab.thaw("node1")
    assert wait_until(lambda: banner(lab, NODE1), 10)
    assert lab.run("node1", ["cat", "/proc/1/stat"]).stdout.split()[21] == boot


def test_freezing_one_host_leaves_the_others_alone(bare_lab: Lab) -> None:
    bare_lab.freeze("node1")
    assert banner(bare_lab, NODE2)
    with pytest.raises(LabError, match="'melt'"):
        bare_lab.freeze("node2", "melt")
    bare_lab.power_cut("node2")
    with pytest.raises(LabError, match="is off"):
        bare_lab.freeze("node2")


# ---------------------------------------------------------------- network


def test_a_partition_between_two_leaves_the_third(bare_lab: Lab) -> None:
    lab = bare_lab
    lab.partition("node1", "node2")
    assert not banner(lab, NODE2, seen_from="node1")
    assert not banner(lab, NODE1, seen_from="node2")
    assert banner(lab, NODE1)
    assert banner(lab, NODE2)
    assert len(lab.status().partitions) == 2
    lab.heal()
    assert banner(lab, NODE2, seen_from="node1")


def test_a_partition_from_everybody(bare_lab: Lab) -> None:
    lab = bare_lab
    lab.partition("node1")
    assert not banner(lab, NODE1)
    assert not banner(lab, NODE2, seen_from="node1")
    assert banner(lab, NODE2)
    lab.heal()
    assert banner(lab, NODE1)


def test_one_way(bare_lab: Lab) -> None:
    lab = bare_lab
    counter = ["python3", "-c", "print(open('/proc/net/dev').read().split('host0:')[1].split()[1])"]
    assert ping(lab, "controller", NODE1)  # both know each other's hardware address
    lab.partition("node1", "controller", one_way=True)
    before = int(lab.run("node1", counter).stdout)
    assert not ping(lab, "controller", NODE1)
    assert int(lab.run("node1", counter).stdout) > before  # it heard the question; its answer is lost
    assert banner(lab, NODE1, seen_from="controller2")
    with pytest.raises(LabError, match="nobody"):
        lab.partition("nobody")


# ---------------------------------------------------------------- disk, processes


def test_a_full_disk_is_full_for_everybody(bare_lab: Lab) -> None:
    lab = bare_lab
    write = ["dd", "if=/dev/zero", "of=/root/more", "bs=1M", "count=8", "conv=fsync"]
    assert lab.fill_disk("node1") > 3000
    done = lab.run("node1", write)
    assert done.returncode != 0
    assert "No space left" in done.stderr
    assert lab.run("node2", write).returncode == 0
    lab.free_disk("node1")
    assert lab.run("node1", write).returncode == 0
    lab.fill_disk("node1", leave_mb=200)
    free = int(lab.run("node1", ["df", "-BM", "--output=avail", "/"]).stdout.split()[-1].strip("M"))
    assert 150 < free < 250


def test_kill_a_process_by_name(bare_lab: Lab) -> None:
    lab = bare_lab
    lab.run("node1", ["systemd-run", "--unit=victim", "sleep", "600"])
    lab.run("node2", ["systemd-run", "--unit=victim", "sleep", "600"])
    assert lab.kill("node1", "sleep") == 1
    failed = lambda: "signal" in lab.run("node1", ["systemctl", "show", "-p", "Result", "victim"]).stdout  # noqa: E731
    assert wait_until(failed, 5)
    assert lab.run("node2", ["systemctl", "is-active", "victim"]).stdout.strip() == "active"
    for name in ("sleep", "systemd-nspawn"):
        with pytest.raises(LabError, match=f"no process '{name}'"):
            lab.kill("node1", name)


def test_a_command_in_a_host_freezes_and_dies_with_it(bare_lab: Lab) -> None:
    with subprocess.Popen(bare_lab.command("node1", ["sleep", "600"])) as process:
        assert wait_until(lambda: bare_lab.run("node1", ["pgrep", "-x", "sleep"]).returncode != 1, 5)
        bare_lab.power_cut("node1")
        assert process.wait(10) != 0


def test_faults_on_the_command_line(bare_lab: Lab) -> None:
    from tests.lab.test_lab_lifecycle import command, finished

    for words in (
        ["freeze", "node1", "--pause"],
        ["thaw", "node1"],
        ["power-cut", "node1"],
        ["power-on", "node1"],
    ):
        code, _stdout, stderr = finished(command("fault", *words, "--name", bare_lab.name))
        assert code == 0, stderr
    code, _stdout, stderr = finished(command("fault", "freeze", "node1", "--pause", "--hang"))
    assert code == 2
    assert "exclude" in stderr
    assert banner(bare_lab, NODE1)
