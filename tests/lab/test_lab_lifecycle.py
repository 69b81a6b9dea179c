"""A lab comes up, is as promised, goes back to snapshots, and goes without a trace: in good order, killed, twice."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lpse_ops.errors import LabError
from lpse_ops.lab import cleanup, power, tools
from lpse_ops.lab.lab import Lab
from lpse_ops.lab.names import BMCS, CONTROLLERS, HOSTS, NODES, LabNames
from lpse_ops.lab.store import JAVA
from lpse_ops.waiting import scaled, wait_until

ROOT = Path(__file__).parents[2]
NAME = f"t{os.getpid()}-x"


def out(lab: Lab, host: str, *argv: str) -> str:
    done = lab.run(host, argv)
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout


def command(*words: str, **environment: str) -> subprocess.Popen[str]:
    """Start ``lpse-ops lab ...`` as a person would."""
    return subprocess.Popen(
        [sys.executable, "-m", "lpse_ops", "lab", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str], seconds: float = 120) -> tuple[int, str, str]:
    stdout, stderr = process.communicate(timeout=scaled(seconds))
    return process.returncode, stdout, stderr


@pytest.fixture
def extra() -> Iterator[Lab]:
    """Another lab than the session's; gone at the end whatever the test did."""
    lab = Lab(NAME)
    yield lab
    lab.down()


# ---------------------------------------------------------------- as promised


def test_hosts_run_without_a_failed_unit(bare_lab_of_module: Lab, release: str) -> None:
    for host in HOSTS:
        running = lambda host=host: (  # noqa: E731
            bare_lab_of_module.run(host, ["systemctl", "is-system-running"]).stdout.strip() == "running"
        )
        assert wait_until(running, 30), out(bare_lab_of_module, host, "systemctl", "--failed")
        assert f'VERSION_ID="{release}"' in out(bare_lab_of_module, host, "cat", "/etc/os-release")
        assert out(bare_lab_of_module, host, "hostname").strip() == host


def test_every_host_is_itself(bare_lab_of_module: Lab) -> None:
    ids = {out(bare_lab_of_module, host, "cat", "/etc/machine-id") for host in HOSTS}
    keys = {out(bare_lab_of_module, host, "cat", "/etc/ssh/ssh_host_ed25519_key.pub") for host in HOSTS}
    assert len(ids) == len(keys) == len(HOSTS)
    for host in HOSTS:
        names = out(bare_lab_of_module, host, "cat", "/etc/hosts")
        assert all(name in names for name in (*HOSTS, "198.51.100.10 spse.lab.example"))


def test_a_host_has_a_disk_of_its_own_and_no_way_out(bare_lab_of_module: Lab) -> None:
    size = int(out(bare_lab_of_module, "node1", "df", "-B1", "--output=size", "/").split()[-1])
    assert 3.5e9 < size < 4.5e9
    routes = out(bare_lab_of_module, "node1", "ip", "route")
    assert "default" not in routes
    assert "198.51.100.0/24" in routes


def test_nothing_of_the_service_is_installed(bare_lab_of_module: Lab) -> None:
    packages = out(bare_lab_of_module, "node1", "dpkg-query", "-W", "-f", "${Package}\n").split()
    for word in ("postgresql", "openjdk", "apache2", "nftables", "chrony", "rsync", "curl"):
        assert not [p for p in packages if p.startswith(word)]


def test_the_inventory_leads_to_every_host(bare_lab_of_module: Lab) -> None:
    site = bare_lab_of_module.site_folder
    for host, address in (("node1", "198.51.100.11"), ("repository", "198.51.100.30")):
        argv = ["ssh", "-F", "/dev/null", "-i", str(site / "ssh/id_ed25519"), "-o", "BatchMode=yes"]
        argv += ["-o", f"UserKnownHostsFile={site}/known_hosts", "-o", "StrictHostKeyChecking=yes"]
        for controller in CONTROLLERS:
            done = bare_lab_of_module.run(controller, [*argv, f"root@{address}", "hostname"])
            assert (done.returncode, done.stdout.strip()) == (0, host), done.stderr
    assert (site / "artifacts/golden/production.tar").stat().st_size > 0
    assert (site / "artifacts/tls/ca.crt").is_file()


def test_ansible_reaches_every_host_with_the_inventory(bare_lab_of_module: Lab) -> None:
    ansible = Path(sys.executable).with_name("ansible")
    site = bare_lab_of_module.site_folder
    argv = [str(ansible), "-i", str(site), "all", "-m", "ansible.builtin.ping", "-e", "ansible_user=root"]
    argv += ["--vault-password-file", str(site / ".vault-password"), "--one-line"]
    done = bare_lab_of_module.run("controller", argv)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len(HOSTS)


def test_run_passes_input_output_and_exit_code(bare_lab_of_module: Lab) -> None:
    lab = bare_lab_of_module
    assert lab.run("node1", ["cat"], input="a\nb").stdout == "a\nb"
    assert lab.run("node1", ["sh", "-c", "echo e >&2; exit 7"]).returncode == 7
    assert lab.run("node1", ["sh", "-c", "echo e >&2; exit 7"]).stderr == "e\n"
    assert lab.run("node1", ["env"]).stdout.count("PYTHON") == 0
    with pytest.raises(LabError, match="did not end"):
        lab.run("node1", ["sleep", "60"], timeout=0.2)
    with pytest.raises(LabError, match="node9") as caught:
        lab.run("node9", ["true"])
    assert "repository" in caught.value.hint


def test_status_on_the_command_line(bare_lab_of_module: Lab) -> None:
    code, stdout, stderr = finished(command("status", "--name", bare_lab_of_module.name, "--output", "json"))
    assert code == 0, stderr
    status = json.loads(stdout)
    assert [h["name"] for h in status["hosts"]] == list(HOSTS)
    assert all(h["power"] == "on" and h["ssh"] and h["link"] and not h["frozen"] for h in status["hosts"])
    assert status["bmcs"] == dict.fromkeys(NODES, True)
    code, stdout, stderr = finished(
        command("exec", "node2", "--name", bare_lab_of_module.name, "--", "hostname")
    )
    assert (code, stdout) == (0, "node2\n"), stderr


# ---------------------------------------------------------------- the package store


def test_packages_come_from_the_signed_store_alone(bare_lab: Lab, release: str) -> None:
    key = (bare_lab.site_folder / "artifacts/packages.asc").read_text()
    bare_lab.run("node1", ["tee", "/etc/apt/keyrings/store.asc"], input=key)
    line = "deb [signed-by=/etc/apt/keyrings/store.asc] file:/srv/lpse-packages ./\n"
    bare_lab.run("node1", ["tee", "/etc/apt/sources.list.d/store.list"], input=line)
    out(bare_lab, "node1", "apt-get", "--quiet", "--error-on=any", "update")
    # Everything the roles may ask for has its whole closure in the store.
    wanted = [
        "acl",
        "apache2",
        "chrony",
        "iputils-arping",
        "libapache2-mod-security2",
        "libpostgresql-jdbc-java",
        "locales",
        "nftables",
        f"openjdk-{JAVA[release]}-jre-headless",
        "pgbackrest",
        "postgresql",
        "postgresql-contrib",
        "python3-apt",
        "python3-psycopg2",
        "restic",
        "rsync",
    ]
    planned = out(bare_lab, "node1", "apt-get", "--simulate", "--no-install-recommends", "install", *wanted)
    assert "Inst postgresql" in planned
    out(bare_lab, "node1", "apt-get", "--yes", "--quiet", "install", "acl")
    out(bare_lab, "node1", "getfacl", "/root")
    # Bind-mounted read-only: a host cannot change it for the others.
    assert bare_lab.run("node1", ["touch", "/srv/lpse-packages/x"]).returncode != 0


def test_a_store_without_its_key_is_refused(bare_lab: Lab) -> None:
    bare_lab.run(
        "node1", ["tee", "/etc/apt/sources.list.d/store.list"], input="deb file:/srv/lpse-packages ./\n"
    )
    done = bare_lab.run("node1", ["apt-get", "--quiet", "--error-on=any", "update"])
    assert done.returncode != 0  # without its key it is not trusted


# ---------------------------------------------------------------- snapshots


def test_reset_undoes_files_faults_and_power(bare_lab: Lab) -> None:
    lab = bare_lab
    out(lab, "node1", "sh", "-c", "echo new > /root/new; rm /etc/debian_version; echo x >> /etc/hosts")
    lab.fill_disk("node1")
    lab.freeze("node1", "pause")
    lab.partition("node2")
    lab.power_cut("repository")
    lab.reset("bare")
    state = lab.status()
    assert all(h.power == "on" and h.ssh and not h.frozen for h in state.hosts)
    assert state.partitions == []
    assert lab.run("node1", ["test", "-e", "/root/new"]).returncode == 1
    assert out(lab, "node1", "cat", "/etc/debian_version")
    assert int(out(lab, "node1", "df", "-B1", "--output=avail", "/").split()[-1]) > 3e9


@pytest.mark.one_release
def test_snapshots_can_be_visited_in_any_order_and_keep_who_was_off(bare_lab: Lab) -> None:
    lab = bare_lab
    out(lab, "node1", "sh", "-c", "echo 1 > /root/state")
    lab.power_cut("node2")
    lab.snapshot("one")
    assert not lab.is_on("node2")
    out(lab, "node1", "sh", "-c", "echo 2 > /root/state")
    with pytest.raises(LabError, match="already"):
        lab.snapshot("one")
    lab.reset("bare")
    assert lab.is_on("node2")
    assert lab.run("node1", ["cat", "/root/state"]).returncode != 0
    lab.reset("one")
    assert out(lab, "node1", "cat", "/root/state") == "1\n"
    assert not lab.is_on("node2")
    lab.reset("bare")
    with pytest.raises(LabError, match="'two'") as caught:
        lab.reset("two")
    assert "bare" in caught.value.hint


def test_a_host_keeps_its_identity_and_loses_its_runtime_state(bare_lab: Lab) -> None:
    lab = bare_lab
    before = [out(lab, "node1", "cat", f) for f in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub")]
    boot = out(lab, "node1", "systemctl", "show", "-p", "UserspaceTimestampMonotonic")
    out(lab, "node1", "ip", "address", "add", "198.51.100.10/24", "dev", "host0")
    out(lab, "node1", "touch", "/run/gone")
    lab.power_cut("node1")
    lab.power_on("node1")
    assert [
        out(lab, "node1", "cat", f) for f in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub")
    ] == before
    assert out(lab, "node1", "systemctl", "show", "-p", "UserspaceTimestampMonotonic") != boot
    addresses = out(lab, "node1", "ip", "-o", "-4", "address", "show", "dev", "host0")
    assert "198.51.100.11/24" in addresses
    assert "198.51.100.10/" not in addresses
    assert lab.run("node1", ["test", "-e", "/run/gone"]).returncode == 1


def test_a_reboot_from_within_is_a_reboot(bare_lab: Lab) -> None:
    lab = bare_lab
    out(lab, "node1", "ip", "address", "add", "198.51.100.10/24", "dev", "host0")
    out(lab, "node1", "touch", "/run/gone", "/root/stays")
    lab.run("node1", ["systemctl", "reboot"])

    def back() -> bool:
        try:
            return lab.run("node1", ["test", "!", "-e", "/run/gone"]).returncode == 0
        except LabError:  # between the two boots it has no PID 1
            return False

    assert wait_until(back, 60)
    lab.power_on("node1")  # it is on; this waits until it lets people in
    assert "198.51.100.10/" not in out(lab, "node1", "ip", "-o", "-4", "address", "show", "dev", "host0")
    out(lab, "node1", "test", "-e", "/root/stays")


# ---------------------------------------------------------------- two labs, no trace


@pytest.mark.one_release
def test_up_and_down_twice_beside_another_lab_leave_nothing(lab: Lab, extra: Lab, release: str) -> None:
    assert cleanup.leftovers(LabNames(NAME)) == []
    for _round in range(2):
        code, stdout, stderr = finished(command("up", "--name", NAME, "--release", release))
        assert code == 0, stderr
        assert "site" in stdout
        # The same addresses side by side: the other lab's host answers as itself.
        assert out(extra, "node1", "cat", "/etc/machine-id") != out(lab, "node1", "cat", "/etc/machine-id")
        assert cleanup.leftovers(LabNames(NAME)) != []
        for _again in range(2):
            code, _stdout, stderr = finished(command("down", "--name", NAME))
            assert code == 0, stderr
            assert cleanup.leftovers(LabNames(NAME)) == []
    assert not LabNames(NAME).lock_file.exists()
    assert all(h.ssh for h in lab.status().hosts)


@pytest.mark.one_release
def test_a_second_up_is_refused(lab: Lab, release: str) -> None:
    code, _stdout, stderr = finished(command("up", "--name", lab.name, "--release", release))
    assert code == 2
    assert "is up already" in stderr
    assert f"lab down --name {lab.name}" in stderr
    assert all(h.ssh for h in lab.status().hosts)


@pytest.mark.one_release
@pytest.mark.parametrize("moment", ["network", "disks", "booting"])
def test_killed_in_the_middle(extra: Lab, release: str, moment: str) -> None:
    reached = {
        "network": lambda: Path("/run/netns", extra.names.namespace("switch")).exists(),
        "disks": lambda: list(extra.names.state.glob("hosts/*/disk.img")),
        "booting": lambda: power.processes(power.group(NAME, "node1")),
    }[moment]
    process = command("up", "--name", NAME, "--release", release)
    assert wait_until(reached, 60, every=0.01)
    process.send_signal(signal.SIGKILL)
    finished(process)
    assert cleanup.leftovers(extra.names) != []
    assert not extra.exists()
    if moment == "booting":  # up over a half-made lab removes it first
        code, _stdout, stderr = finished(command("up", "--name", NAME, "--release", release))
        assert code == 0, stderr
        assert "half-made" in stderr
        assert all(h.ssh for h in extra.status().hosts)
    code, _stdout, stderr = finished(command("down", "--name", NAME))
    assert code == 0, stderr
    assert cleanup.leftovers(extra.names) == []


@pytest.mark.one_release
def test_somebody_else_at_work_on_the_lab(extra: Lab, release: str) -> None:
    process = command("up", "--name", NAME, "--release", release)
    assert wait_until(extra.names.lock_file.exists, 60, every=0.01)
    with pytest.raises(LabError, match=f"process {process.pid}"):
        extra.down()
    process.send_signal(signal.SIGTERM)
    finished(process)


# ---------------------------------------------------------------- what a machine may lack


@pytest.mark.one_release
def test_no_disk_space(extra: Lab, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(tmp_path)])
    try:
        monkeypatch.setenv("LPSE_OPS_LAB_HOME", str(tmp_path))
        with pytest.raises(LabError, match="MB free") as caught:
            Lab(NAME).up(release)
        assert "LPSE_OPS_LAB_HOME" in caught.value.hint
        assert cleanup.leftovers(LabNames(NAME)) == []
    finally:
        tools.run(["umount", str(tmp_path)])


@pytest.mark.one_release
def test_missing_programs(extra: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tools, "PATH", str(tmp_path))
    with pytest.raises(LabError, match="systemd-nspawn") as caught:
        extra.up()
    assert "systemd-container" in caught.value.hint


@pytest.mark.one_release
def test_wrong_words_on_the_command_line() -> None:
    for words, said in (
        (["up", "--name", "Not_A_Name"], "cannot be the name"),
        (["up", "--name", NAME, "--release", "11"], "no Debian 11"),
        (["status", "--name", NAME], "There is no lab"),
        (["exec", "node1", "--name", NAME, "--", "true"], "There is no lab"),
        (["exec", "controller", "--name", NAME, "--", "true"], "There is no lab"),
        (["fault", "meteor", "--name", NAME], "no fault 'meteor'"),
        (["fault", "heal", "--name", NAME], "There is no lab"),
        (["fault", "kill", "node1", "--name", NAME], "takes 2"),
        (["snapshot", "x", "--name", NAME], "There is no lab"),
    ):
        code, _stdout, stderr = finished(command(*words))
        assert code == 2, (words, stderr)
        assert said in stderr
        assert "What to do:" in stderr
        assert "Traceback" not in stderr


@pytest.mark.one_release
def test_an_interrupted_image_build_leaves_no_half_entry(
    extra: Lab, release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    process = command("up", "--name", NAME, "--release", release, LPSE_OPS_CACHE=str(cache))
    assert wait_until(lambda: list(cache.glob("images/.*.building/root/var/lib/dpkg")), 60, every=0.02)
    process.send_signal(signal.SIGKILL)
    finished(process)
    [building] = cache.glob("images/.*.building")
    group = f"lpse-lab.build/images-{building.name.strip('.').removesuffix('.building')}"
    assert power.processes(group)  # mmdebstrap itself was not killed
    monkeypatch.setenv("LPSE_OPS_CACHE", str(cache))
    extra.down()
    assert power.processes(group) == []
    assert list((cache / "images").iterdir()) == []


@pytest.mark.one_release
def test_bmcs_and_controllers_have_networks_of_their_own(lab: Lab) -> None:
    for name in (*CONTROLLERS, *BMCS.values()):
        assert "198.51.100." in out(lab, name, "ip", "-o", "-4", "address", "show", "dev", "host0")
