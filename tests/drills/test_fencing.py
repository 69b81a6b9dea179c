"""Prove it is dead: every way in which a node only seems dead, or cannot be proven dead though it is."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from lpse_ops.drill.prepare import on_host
from lpse_ops.engine.runs import runs_folder
from lpse_ops.lab import power
from lpse_ops.lab.lab import Lab
from lpse_ops.site import load_site, vault
from lpse_ops.waiting import wait_until
from tests.drills.bench import all_said, changed, error, forget_runs, lpse_ops, served_by, told

ATTEST = "I stand before it: both power supplies are dead"
NODE = "/usr/local/sbin/lpse-node"


def record_of(lab: Lab, host: str = "repository") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(on_host(lab, host, [NODE, "epoch", "show"]))["record"]
    return found


def unchanged(lab: Lab) -> None:
    """node1 still is what it was: active by the record, on, serving."""
    record = record_of(lab)
    assert (record["epoch"], record["active"]) == (1, "node1")
    assert lab.is_on("node1")
    assert wait_until(lambda: served_by(lab, "node1") == [], 60), served_by(lab, "node1")


def events_of(lab: Lab) -> list[dict[str, Any]]:
    """The events of the newest run."""
    newest = max(runs_folder(load_site(f"lab:{lab.name}", secrets=False)).glob("*.jsonl"))
    return [json.loads(line) for line in newest.read_text().splitlines()]


def outcome(lab: Lab, step: str) -> dict[str, Any]:
    found = [e for e in events_of(lab) if e["type"] == "outcome" and e["step"] == step]
    assert found, step
    return found[-1]


@contextmanager
def without_samples(lab: Lab) -> Iterator[None]:
    """Let nobody take samples of the active node for a while: the samplers stand still, as on a machine under load."""
    samplers = {"node2": "lpse-follow", "repository": "lpse-sample"}
    try:
        for host, unit in samplers.items():
            on_host(lab, host, ["systemctl", "kill", "--signal=SIGSTOP", unit])
        yield
    finally:
        for host, unit in samplers.items():
            on_host(lab, host, ["systemctl", "kill", "--signal=SIGCONT", unit])


def site_file(lab: Lab) -> Path:
    return lab.site_folder / "group_vars" / "all" / "site.yml"


def failed_over(lab: Lab, *words: str) -> dict[str, Any]:
    """Fail over to node2; return the report."""
    done = lpse_ops(lab, "failover", "--yes", *words)
    assert done.returncode == 5, f"exit {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    assert served_by(lab, "node2") == []
    assert not lab.is_on("node1")
    found: dict[str, Any] = told(done)
    return found


def test_every_proof_is_recorded_with_its_time(protected_lab: Lab) -> None:
    protected_lab.power_cut("node1")
    report = failed_over(protected_lab)
    fencing = report["fencing"]
    assert (fencing["kind"], fencing["node"], fencing["words"]) == ("proven", "node1", None)
    assert set(fencing["proofs"]) == {
        "fence.power-still-off",
        "fence.host-silent",
        "fence.host-unheard",
        "fence.address-silent",
        "fence.service-silent",
        "fence.receiver-silent",
    }
    fenced = outcome(protected_lab, "fence.power-off")["facts"]["at"]
    assert all(at > fenced for at in fencing["proofs"].values())
    receiver = outcome(protected_lab, "fence.receiver-silent")["facts"]
    # The standby has not noticed yet that its peer is dead: the status alone would have been a lie.
    assert receiver["heard"] is False
    assert receiver["place"]


def test_a_bmc_that_says_off_while_the_host_answers(protected_lab: Lab) -> None:
    protected_lab.bmc_says("node1", "off")
    for words in ((), ("--attest", ATTEST)):
        found = error(lpse_ops(protected_lab, "failover", "--yes", *words), 3)
        assert "reads off, but node1 still answers" in all_said(found)
    # Half-dead, it would be failed over if its BMC could be believed.
    protected_lab.run("node1", ["systemctl", "stop", "apache2"])
    found = error(lpse_ops(protected_lab, "failover", "--yes"), 3)
    assert "still answers" in all_said(found)
    protected_lab.run("node1", ["systemctl", "start", "apache2"])
    unchanged(protected_lab)


def test_a_lying_bmc_and_a_cut_cable_are_found_out_by_the_standby(protected_lab: Lab) -> None:
    protected_lab.bmc_says("node1", "off")
    protected_lab.partition("node1", "controller")
    # A sample that falls into the look shows the life already (3), and on a busy machine one always does; this is about
    # the proofs that stand behind it. What is left of that chance is a keepalive of the log.
    with without_samples(protected_lab):
        for _ in range(5):
            done = lpse_ops(protected_lab, "failover", "--yes")
            if done.returncode == 4:
                break
            assert "network fault" in all_said(error(done, 3))
    found = error(done, 4)
    said = all_said(found)
    # All that speaks against it, not only what failed first.
    assert "Somebody still answers for 198.51.100.11" in said
    assert "Somebody still answers for 198.51.100.10" in said
    assert outcome(protected_lab, "fence.host-unheard")["status"] == "failed"
    assert not [e for e in events_of(protected_lab) if e["type"] == "intent" and e["step"] == "loss.confirm"]
    protected_lab.heal()
    unchanged(protected_lab)
    # With the cable back, everything speaks against it.
    found = error(lpse_ops(protected_lab, "resume", "--yes"), 4)
    assert len(found["reasons"]) >= 4, found
    assert "still receives the log of node1" in all_said(found)
    unchanged(protected_lab)


def test_a_power_feed_that_is_gone_needs_an_attestation(protected_lab: Lab) -> None:
    protected_lab.power_cut("node1")
    protected_lab.partition("bmc1")
    found = error(lpse_ops(protected_lab, "failover", "--yes"), 3)
    assert "The BMC of node1" in all_said(found)
    assert "--attest" in found["hint"]
    assert record_of(protected_lab)["epoch"] == 1
    error(lpse_ops(protected_lab, "failover", "--yes", "--attest", "too short"), 2)

    report = failed_over(protected_lab, "--attest", ATTEST)

    assert (report["fencing"]["kind"], report["fencing"]["words"]) == ("attested", ATTEST)
    assert report["fencing"]["by"]
    assert "fence.power-off" not in {step["id"] for step in report["steps"]}
    plan = events_of(protected_lab)[0]["plan"]
    assert plan["facts"]["fencing"] == "attested"
    assert outcome(protected_lab, "fence.attest")["facts"]["words"] == ATTEST
    assert outcome(protected_lab, "fence.gate")["facts"]["fencing"] == "attested"


def test_an_attestation_does_not_kill_the_living(protected_lab: Lab) -> None:
    protected_lab.partition("bmc1")
    protected_lab.run("node1", ["systemctl", "stop", "apache2"])
    found = error(lpse_ops(protected_lab, "failover", "--yes", "--attest", ATTEST), 3)
    assert "cannot be attested" in all_said(found)
    protected_lab.run("node1", ["systemctl", "start", "apache2"])
    # Nor one that only the others see.
    protected_lab.partition("node1", "controller")
    found = error(lpse_ops(protected_lab, "failover", "--yes", "--attest", ATTEST), 3)
    assert "network fault" in all_said(found)
    protected_lab.heal()
    unchanged(protected_lab)


def test_a_controller_that_is_cut_off_is_a_network_fault(protected_lab: Lab) -> None:
    protected_lab.partition("node1", "controller")
    found = error(lpse_ops(protected_lab, "failover", "--yes"), 3)
    assert "network fault" in all_said(found)
    protected_lab.heal()
    unchanged(protected_lab)


@pytest.mark.parametrize("kind", ["hang", "pause"])
def test_a_frozen_node_is_fenced_by_its_power(protected_lab: Lab, kind: str) -> None:
    protected_lab.freeze("node1", kind)
    report = failed_over(protected_lab)
    assert report["fencing"]["kind"] == "proven"
    assert outcome(protected_lab, "fence.power-off")["facts"]["before"] == "on"


def test_a_frozen_node_behind_a_cut_cable(protected_lab: Lab) -> None:
    protected_lab.partition("node1", "controller")
    protected_lab.freeze("node1", "hang")
    failed_over(protected_lab)


@pytest.mark.parametrize("moment", ["going down", "coming up"])
def test_a_node_that_reboots_meanwhile(protected_lab: Lab, moment: str) -> None:
    host = power.load(protected_lab.names.folder("node1"))
    before = power.leader(host)
    protected_lab.run("node1", ["systemctl", "reboot", "--no-block"])
    if moment == "coming up":
        assert wait_until(lambda: power.leader(host) not in {None, before}, 60, every=0.05)
    done = lpse_ops(protected_lab, "failover", "--yes")
    assert "Traceback" not in done.stderr
    if done.returncode == 5:
        assert served_by(protected_lab, "node2") == []
        assert not protected_lab.is_on("node1")
    else:
        # Refused because it still, or again, served; it must go on doing so.
        assert done.returncode == 3, f"exit {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
        assert record_of(protected_lab)["epoch"] == 1
        assert wait_until(lambda: served_by(protected_lab, "node1") == [], 120), served_by(
            protected_lab, "node1"
        )


SECRET_OF_THE_OUTLET = "the-secret-of-the-outlet"
# A site's own command: turns the lab's power as an outlet would, if the secret on its input is right.
OUTLET = """\
#!/bin/sh
read -r secret
[ "$secret" = {secret} ] || {{ echo "wrong password"; exit 1; }}
case $1 in
status) case $({python} -I -S {script} {folder} get power) in power:1) exit 0 ;; power:0) exit 2 ;; esac; exit 1 ;;
off) exec {python} -I -S {script} {folder} set power 0 ;;
esac
"""


def test_a_command_of_the_site(protected_lab: Lab, tmp_path: Path) -> None:
    lab, outlet = protected_lab, tmp_path / "outlet"
    folder, script = lab.names.folder("node1"), Path(power.__file__).resolve()
    outlet.write_text(
        OUTLET.format(secret=SECRET_OF_THE_OUTLET, python=sys.executable, script=script, folder=folder)
    )
    outlet.chmod(0o755)
    settings = yaml.safe_load(site_file(lab).read_text())
    node = settings["lpse"]["nodes"]["node1"]
    del node["bmc"]
    node["fence"] = {
        "method": "command",
        "power_off": [str(outlet), "off"],
        "power_status": [str(outlet), "status"],
    }
    sealed = lab.site_folder / "group_vars" / "all" / "vault.yml"
    password = (lab.site_folder / ".vault-password").read_text().strip()
    secrets = yaml.safe_load(vault.decrypt(sealed.read_text(), password))
    del secrets["lpse_secrets"]["bmc_passwords"]["node1"]

    def with_secret(secret: str) -> str:
        secrets["lpse_secrets"]["fence_secrets"] = {"node1": secret}
        return vault.encrypt(yaml.safe_dump(secrets), password)

    lab.freeze("node1", "hang")
    with changed(site_file(lab), yaml.safe_dump(settings)):
        with changed(sealed, with_secret("a wrong one")):
            found = error(lpse_ops(lab, "failover", "--yes"), 3)
            assert "does not admit us" in all_said(found)
        with changed(sealed, with_secret(SECRET_OF_THE_OUTLET)):
            report = failed_over(lab)
    assert report["fencing"]["kind"] == "proven"
    assert outcome(lab, "fence.power-off")["facts"]["before"] == "on"


class CommandLines(threading.Thread):
    """Reads the command line of every process of this machine, the lab's hosts' among them, again and again."""

    def __init__(self, secrets: set[bytes]) -> None:
        super().__init__(daemon=True)
        self.secrets = secrets
        self.found: set[str] = set()
        self.seen: set[bytes] = set()
        self.rounds = 0
        self._ends = threading.Event()

    def run(self) -> None:
        while not self._ends.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes()
                except OSError:
                    continue
                self.seen.add(line)
                if any(secret in line for secret in self.secrets):
                    self.found.add(line.split(b"\0")[0].decode(errors="replace"))
            self.rounds += 1

    def end(self) -> None:
        self._ends.set()
        self.join(30)


@contextmanager
def watched(secrets: set[bytes]) -> Iterator[CommandLines]:
    scanner = CommandLines(secrets)
    scanner.start()
    try:
        yield scanner
    finally:
        scanner.end()


def secrets_of(lab: Lab) -> set[bytes]:
    """Every secret of the vault, a key by a line out of its middle."""
    found = load_site(f"lab:{lab.name}").secrets
    plain = [
        getattr(found, name) for name in type(found).model_fields if not name.endswith(("words", "secrets"))
    ]
    texts = [secret.get_secret_value() for secret in [*plain, *found.bmc_passwords.values()]]
    return {max(text.splitlines(), key=len).encode() for text in texts}


def test_fencing_from_the_repository_shows_no_secret(protected_lab: Lab) -> None:
    lab = protected_lab
    secrets = secrets_of(lab)
    assert len(secrets) == 8
    with changed(site_file(lab), site_file(lab).read_text().replace("from: controller", "from: repository")):
        found = error(lpse_ops(lab, "failover", "--plan"), 3)
        assert "healthy" in all_said(found)
        status = told(lpse_ops(lab, "status"))
        assert any("lpse-ops provision" in reason for reason in status["reasons"]), status["reasons"]
        done = lpse_ops(lab, "provision", "repository")
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        again = told(lpse_ops(lab, "provision", "repository"))
        assert again["changed"] == {"repository": 0}
        kept = on_host(lab, "repository", ["cat", "/etc/lpse-ops/fence/node1.json"])
        assert not [secret for secret in secrets if secret in kept.encode()]

        lab.freeze("node1", "hang")
        forget_runs(lab)
        with watched(secrets) as scanner, watched({b"a-canary-that-is-no-secret"}) as canary:
            subprocess.run(["/bin/sh", "-c", "sleep 1; :", "a-canary-that-is-no-secret"], check=True)
            report = failed_over(lab)
        assert canary.found, "the scanner sees what stands on a command line"
        assert scanner.found == set()
        assert any(b"lpse-node\0fence\0node1\0off" in line for line in scanner.seen), "fenced from there"
        assert any(line.startswith(b"ipmitool\0") and b"chassis" in line for line in scanner.seen)
    assert report["fencing"]["kind"] == "proven"
    everything = b"".join(
        path.read_bytes() for path in runs_folder(load_site(f"lab:{lab.name}", secrets=False)).glob("*")
    )
    assert not [secret for secret in secrets if secret in everything], "nor in the journal"
