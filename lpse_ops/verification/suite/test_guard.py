"""Who is active, and that nobody else can be: the epoch record, the guard, both of its locks."""

import re
from typing import Any

from lpse_ops.i18n import _
from lpse_ops.verification.facts import ACTIVE, CLOSED, STANDBY, Host, find
from lpse_ops.verification.plugin import cases

LOCK2 = re.compile(r"^include\s*=?\s*'/run/lpse/open\.conf'$", re.MULTILINE)


def voters(host: Host) -> list[tuple[str, Any]]:
    """The other hosts of this verification, whose records must equal the host's."""
    return [(other.name, other) for other in host.site.values() if other.name != host.name]


def test_record(host: Host) -> None:
    record = host.record or {}
    good = record.get("site") == host.expected.site and record.get("active") in host.expected.nodes
    todo = _("run `lpse-ops status`; a host without a record cannot vote.")
    assert good, find(host, _("the epoch record"), record, _("one of this site"), todo)


@cases(voters)
def test_record_agrees(host: Host, case: Host) -> None:
    keys = ("site", "system_id", "epoch", "active", "run")
    mine, other = ({key: (each.record or {}).get(key) for key in keys} for each in (host, case))
    todo = _("find out with `lpse-ops status` which of the two is right before anything else.")
    what = _("the epoch record beside that of %(other)s") % {"other": case.name}
    assert mine == other, find(host, what, mine, other, todo)


def test_record_is_witnessed(host: Host) -> None:
    found = (host.record or {}).get("witnessed", True)
    todo = _("bring the repository back and write the record to it.")
    assert found, find(host, _("the epoch record"), _("unwitnessed"), _("witnessed"), todo)


def test_system_id(data: Host) -> None:
    seen = data.see("guard", "observe", "database", "system_id")
    recorded = (data.record or {}).get("system_id")
    todo = _("do not start it: this cluster has another history.")
    assert str(seen) == str(recorded), find(data, _("the system id of the database"), seen, recorded, todo)


def test_guard_state(node: Host) -> None:
    state = node.see("guard", "observe", "guard")
    wanted = {ACTIVE: ["active"], STANDBY: ["standby"]}.get(
        node.role, ["holding", "superseded", "none", "released"]
    )
    todo = _("read `journalctl -u lpse-guard` there: it says why (%(why)s).") % {"why": state.get("reason")}
    assert state["state"] in wanted, find(node, _("the state of the guard"), state["state"], wanted, todo)


def test_guard_starts_at_boot(node: Host) -> None:
    found = node.see("guard", "units", "lpse-guard", "UnitFileState")
    assert found == "enabled", find(node, "lpse-guard.service", found, "enabled")


def test_the_active_node_is_watched(node: Host) -> None:
    unit = node.see("guard", "units", "lpse-watch")
    found = (unit.get("UnitFileState"), unit.get("ActiveState"))
    assert found == ("enabled", "active"), find(node, "lpse-watch.service", found, "enabled, active")


def test_lock_1_on_the_unit(node: Host) -> None:
    unit = node.see("guard", "lock1")
    good = "lpse-node" in unit.get("ExecStartPre", "") and "guard require" in unit.get("ExecStartPre", "")
    assert good, find(
        node,
        _("lock 1 (the guard before PostgreSQL's unit)"),
        unit.get("DropInPaths"),
        "ExecStartPre=lpse-node guard require",
    )


def test_lock_1_is_loaded(node: Host) -> None:
    found = node.see("guard", "lock1", "NeedDaemonReload")
    assert found == "no", find(node, "NeedDaemonReload", found, "no", _("run `systemctl daemon-reload`."))


def test_lock_2_in_the_configuration(node: Host) -> None:
    good = LOCK2.search(node.see("guard", "lock2", "config"))
    assert good, find(
        node, _("lock 2 (the include in postgresql.conf)"), None, "include = '/run/lpse/open.conf'"
    )


def test_lock_2_is_on_tmpfs(node: Host) -> None:
    file = node.see("guard", "lock2", "open_file")
    if node.role == CLOSED:
        todo = _("find out who wrote it: only the guard may.")
        assert file is None, find(node, "/run/lpse/open.conf", _("there"), _("absent"), todo)
        return
    found = (file["user"], file["mode"]) if file else None
    good = file is not None and file["user"] == "root" and not int(file["mode"], 8) & 0o022
    assert good, find(node, "/run/lpse/open.conf", found, _("root's, writable by root alone"))


def test_nothing_else_starts_the_database(node: Host) -> None:
    lines = node.see("guard", "lock2", "start_conf").splitlines()
    found = [line for line in lines if line and not line.startswith("#")]
    assert found == ["manual"], find(node, _("start.conf of the cluster"), found, "manual")


def test_voter_key(host: Host) -> None:
    file = host.see("guard", "voter_key") or {}
    found = (file.get("mode"), file.get("user"))
    assert found == ("0600", "root"), find(host, _("mode and owner of the voter's key"), found, "0600, root")


def test_voters_are_pinned(host: Host) -> None:
    known = host.see("guard", "voters_known")
    missing = [name for name in host.expected.hosts if name not in {host.name, *known}]
    assert not missing, find(host, _("the list of voters without a pinned host key"), missing, None)
