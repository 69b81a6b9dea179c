"""The application as a process: its unit, its user, its answers."""

import re
from typing import Any

from lpse_ops.i18n import _
from lpse_ops.verification.facts import Host, find
from lpse_ops.verification.plugin import cases

FOOTER = re.compile(r"SPSE v\d+\.\d+")
SANDBOX = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes",
    "RestrictSUIDSGID": "yes",
    "CapabilityBoundingSet": "",
}


def sandbox(_host: Host) -> list[tuple[str, Any]]:
    return [(name, (name, value)) for name, value in SANDBOX.items()]


def test_unit_user(node: Host) -> None:
    unit, user = node.see("application", "unit"), node.expected.user
    found = (unit["User"], unit["Group"])
    assert found == (user, user), find(
        node, _("user and group of the application's unit"), found, f"{user}, {user}"
    )


@cases(sandbox)
def test_sandbox(node: Host, case: tuple[str, str]) -> None:
    name, wanted = case
    found = node.see("application", "unit", name)
    assert found == wanted, find(
        node, _("%(name)s of the application's unit") % {"name": name}, found, wanted
    )


def test_starts_by_the_guard_alone(node: Host) -> None:
    found = node.see("application", "unit", "UnitFileState")
    assert found in {"disabled", "static", "indirect"}, find(
        node, _("the application's unit"), found, "disabled"
    )


def test_unit_is_loaded(node: Host) -> None:
    found = node.see("application", "unit", "NeedDaemonReload")
    assert found == "no", find(node, "NeedDaemonReload", found, "no", _("run `systemctl daemon-reload`."))


def test_java(node: Host) -> None:
    found = node.see("application", "java")
    assert "version" in found, find(node, _("Java"), found, _("a version"))


def test_runs(active: Host) -> None:
    found = active.see("application", "unit", "ActiveState")
    todo = _("run `lpse-node application start` there, and read logs/system.out.")
    assert found == "active", find(active, _("the application"), found, "active", todo)


def test_runs_unprivileged(active: Host) -> None:
    process = active.see("application", "main") or {}
    found, wanted = process.get("user"), active.expected.user
    todo = _("set User= in its unit (`lpse-ops provision`) and restart it.")
    assert found == wanted, find(active, _("the user of the application's process"), found, wanted, todo)


def test_pid_file(active: Host) -> None:
    found = active.see("application", "pid_file")
    wanted = str((active.see("application", "main") or {}).get("pid"))
    todo = _("a wrong server.pid bars the next start: restart the application.")
    assert found == wanted, find(active, "server.pid", found, wanted, todo)


def test_one_process(active: Host) -> None:
    found = [line for line in active.see("application", "processes") if "java" in line]
    todo = _("a second one does every scheduled job twice: stop it.")
    assert len(found) == 1, find(active, _("the number of the application's processes"), len(found), 1, todo)


def test_heap(active: Host) -> None:
    argv = (active.see("application", "main") or {}).get("argv", [])
    found, wanted = [word for word in argv if word.startswith("-Xmx")], f"-Xmx{active.expected.heap_mb}m"
    assert found == [wanted], find(active, _("the heap of the application"), found, wanted)


def test_status(active: Host) -> None:
    answer = active.see("application", "status")
    assert answer["code"] == 200, find(active, "/@status", answer.get("error", answer["code"]), 200)
    connected = "not connected" not in answer["body"] and "read-only" not in answer["body"]
    assert connected, find(active, _("the application's database"), answer["body"], _("connected, writable"))


def test_status_needs_the_key(active: Host) -> None:
    found = active.see("application", "status_without_key", "code")
    assert found in {401, 403}, find(active, _("/@status without a key"), found, 401)


def test_version_footer(active: Host) -> None:
    found = FOOTER.search(active.see("application", "page").get("body", ""))
    assert found, find(active, _("the version in the footer"), None, "SPSE v4...")
