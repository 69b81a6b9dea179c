"""Ways to cut a node's power in the inventory: one a node, whole, and none that shows its secret."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lpse_ops.errors import InventoryError
from lpse_ops.site import load_site
from tests.support.inventory import SETTINGS, make_inventory
from tests.support.modules import ROOT

AGENT: dict[str, Any] = {
    "method": "agent",
    "agent": "fence_redfish",
    "options": {"ip": "192.0.2.22", "systems-uri": "/redfish/v1/Systems/1"},
}
COMMAND: dict[str, Any] = {
    "method": "command",
    "power_off": ["/usr/local/sbin/outlet", "off", "7"],
    "power_status": ["/usr/local/sbin/outlet", "status", "7"],
}
SECRETS = ("bmc_passwords: {node1: bmc-one, node2: bmc-two}", "bmc_passwords: {node1: bmc-one}")


def inventory(folder: Path, fence: dict[str, Any] | None, *more: tuple[str, str], origin: str = "") -> Path:
    """An inventory whose node2 is switched by `fence`, and has its secret there."""

    def secrets(text: str) -> str:
        old, new = SECRETS
        return text.replace(old, new + "\n  fence_secrets: {node2: a-secret}")

    made = make_inventory(folder / "office", secrets=secrets)
    path = made / SETTINGS
    data = yaml.safe_load(path.read_text())
    del data["lpse"]["nodes"]["node2"]["bmc"]
    if fence is not None:
        data["lpse"]["nodes"]["node2"]["fence"] = fence
    if origin:
        data["lpse"]["fencing"]["from"] = origin
    text = yaml.safe_dump(data)
    for old, new in more:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return made


def faults(folder: Path) -> str:
    with pytest.raises(InventoryError) as caught:
        load_site(folder)
    return "\n".join(caught.value.reasons)


@pytest.mark.parametrize("fence", [AGENT, COMMAND])
def test_other_ways_than_ipmi(tmp_path: Path, fence: dict[str, Any]) -> None:
    site = load_site(inventory(tmp_path, fence))
    assert site.nodes["node2"].bmc is None
    assert site.nodes["node2"].has_power_switch
    assert site.nodes["node2"].fence_settings() == {"fence": fence}
    assert set(site.nodes["node1"].fence_settings()) == {"bmc"}
    assert site.secrets.fence_secrets["node2"].get_secret_value() == "a-secret"
    assert site.fencing.origin == "controller"


def test_only_a_person(tmp_path: Path) -> None:
    site = load_site(inventory(tmp_path, {"method": "attestation"}))
    assert not site.nodes["node2"].has_power_switch


def test_from_may_be_left_out_of_an_older_inventory(tmp_path: Path) -> None:
    assert (
        load_site(inventory(tmp_path, AGENT, ("    from: controller\n", ""))).fencing.origin == "controller"
    )


@pytest.mark.parametrize(
    ("fence", "words"),
    [
        (None, "either `bmc` or `fence`"),
        ({"method": "agent"}, "needs `agent`"),
        ({**AGENT, "power_off": ["/x"]}, "there is no `power_off`"),
        ({"method": "command", "power_off": ["/x"]}, "needs `power_status`"),
        ({**COMMAND, "power_off": ["outlet", "off"]}, "whole path: outlet"),
        ({**COMMAND, "power_off": []}, "power_off"),
        ({**AGENT, "agent": "/bin/sh"}, "fence.agent"),
        ({**AGENT, "agent": "fence_ipmilan"}, "command line of ipmitool; use `bmc`"),
        ({**AGENT, "agent": "fence_idrac"}, "command line of ipmitool; use `bmc`"),
        ({**AGENT, "agent": "fence_apc_snmp"}, "command line of snmpget"),
        ({**AGENT, "options": {"password": "x"}}, "the secret stands in the vault"),
        ({**AGENT, "options": {"action": "on"}}, "the secret stands in the vault"),
        ({**AGENT, "secret_option": "token", "options": {"token": "x"}}, "the secret stands in the vault"),
        ({**AGENT, "options": {"ip": "a\nb"}}, "fence.options.ip"),
        ({**AGENT, "options": {"ip": 'a"b'}}, "fence.options.ip"),
        ({**AGENT, "options": {"ipport": 443}}, "this must be text"),
        ({"method": "attestation", "agent": "fence_redfish"}, "there is no `agent`"),
        ({"methd": "agent"}, "did you mean `method`"),
    ],
)
def test_every_fault_is_named(tmp_path: Path, fence: dict[str, Any] | None, words: str) -> None:
    assert words in faults(inventory(tmp_path, fence))


def test_secrets_belong_to_the_way(tmp_path: Path) -> None:
    folder = make_inventory(
        tmp_path / "office", secrets=lambda text: text + "  fence_secrets: {node1: x, node3: y}\n"
    )
    found = faults(folder)
    assert "fence_secrets.node1: this node has no `fence` in site.yml" in found
    assert "fence_secrets.node3: site.yml has no node of this name" in found


PLAY = """\
- hosts: repository
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_vars: {vars}
    - ansible.builtin.debug:
        msg: "{{{{ {{'files': node_fence_files, 'packages': node_fence_packages}} | to_json }}}}"
"""


@pytest.mark.parametrize("origin", ["repository", "controller"])
def test_ansible_writes_what_the_controller_compares(tmp_path: Path, origin: str) -> None:
    """The repository compares letter by letter, so both must write the same."""
    folder = inventory(tmp_path, AGENT, origin=origin)
    play = ROOT / "playbooks" / f".test-{tmp_path.name}.yml"
    play.write_text(PLAY.format(vars=ROOT / "roles/node/vars/main.yml"))
    try:
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                "-i",
                str(folder),
                "--vault-password-file",
                str(folder / ".vault-password"),
                "-e",
                "ansible_become=false",
                str(play),
            ],
            cwd=ROOT,
            env={
                "PATH": "/usr/bin:/bin",
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
                "HOME": str(tmp_path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        play.unlink()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    told = json.loads(next(line for line in done.stdout.splitlines() if '"msg"' in line).partition(":")[2])
    found = json.loads(told) if isinstance(told, str) else told
    site = load_site(folder)
    expected = {
        f"/etc/lpse-ops/fence/{name}.json": json.dumps(node.fence_settings(), sort_keys=True) + "\n"
        for name, node in site.nodes.items()
        if origin == "repository"
    }
    assert {file["path"]: file["content"] for file in found["files"]} == expected
    assert found["packages"] == (["ipmitool", "fence-agents"] if origin == "repository" else [])
