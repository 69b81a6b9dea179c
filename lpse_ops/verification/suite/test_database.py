"""PostgreSQL: running, reachable by those who may, the application's database as it must be, sized to the host."""

from typing import Any

from lpse_ops.i18n import _
from lpse_ops.verification.facts import Host, find
from lpse_ops.verification.plugin import cases

METHODS = {"scram-sha-256", "peer", "cert", "reject"}
MB = 1024 * 1024
SAFE = {
    "ssl": "on",
    "password_encryption": "scram-sha-256",
    "fsync": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    "hot_standby": "on",
    "ssl_min_protocol_version": "TLSv1.2",
}


def settings(_host: Host) -> list[tuple[str, Any]]:
    return [(name, (name, value)) for name, value in SAFE.items()]


def memory(host: Host) -> list[tuple[str, Any]]:
    """Shares of memory_mb (roles/postgresql): a quarter shared, three fifths assumed cached, a sixteenth for upkeep."""
    total = host.expected.nodes[host.name]
    wanted = {
        "shared_buffers": max(total // 4, 64),
        "effective_cache_size": total * 3 // 5,
        "maintenance_work_mem": min(max(total // 16, 32), 1024),
    }
    return [(name, (name, size * MB)) for name, size in wanted.items()]


def local_or_peer(host: Host) -> set[str]:
    return {"127.0.0.1", "::1", host.address}


def test_runs(data: Host) -> None:
    found = data.see("database", "unit", "ActiveState")
    todo = _("read `journalctl -u lpse-guard` there.")
    assert found == "active", find(data, "PostgreSQL", found, "active", todo)


def test_version(data: Host) -> None:
    wanted = data.see("database", "version")
    found = data.see("database", "cluster", "settings", "server_version_num")[:-4]
    assert found == wanted, find(data, _("the version of PostgreSQL that runs"), found, wanted)


def test_configuration_is_in_force(data: Host) -> None:
    errors = data.see("database", "cluster", "file_errors")
    assert not errors, find(data, _("the list of errors in the configuration of PostgreSQL"), errors, None)
    pending = data.see("database", "cluster", "pending_restart")
    todo = _("restart PostgreSQL when the office allows it.")
    assert not pending, find(data, _("the list of settings that wait for a restart"), pending, None, todo)


@cases(settings)
def test_setting(data: Host, case: tuple[str, str]) -> None:
    name, wanted = case
    found = data.see("database", "cluster", "settings", name)
    assert found == wanted, find(data, name, found, wanted)


@cases(memory)
def test_memory(data: Host, case: tuple[str, int]) -> None:
    name, wanted = case
    found = int(float(data.see("database", "cluster", "bytes", name)))
    assert found == wanted, find(data, name, f"{found // MB} MB", f"{wanted // MB} MB")


def test_slots_are_bounded(data: Host) -> None:
    found = data.see("database", "cluster", "settings", "max_slot_wal_keep_size")
    assert found != "-1", find(data, "max_slot_wal_keep_size", found, _("a bound"))


def test_listens_only_where_it_should(data: Host) -> None:
    port = data.expected.database_port
    found = {s["address"] for s in data.see("sockets") if s["port"] == port and s["protocol"] == "tcp"}
    wanted = local_or_peer(data)
    assert found, find(data, _("the listener of PostgreSQL"), None, wanted)
    assert found <= wanted, find(data, _("the set of addresses PostgreSQL listens on"), found, wanted)


def test_access_by_scram_only(data: Host) -> None:
    rules = data.see("database", "cluster", "hba")
    found = [
        f"{r['type']} {r['method']} (line {r['line']})"
        for r in rules
        if r["error"] or r["method"] not in METHODS
    ]
    todo = _("take it out of pg_hba.conf and reload PostgreSQL, or run `lpse-ops provision`.")
    assert rules, find(data, "pg_hba.conf", None, _("rules"), todo)
    assert not found, find(data, _("the list of unsafe rules in pg_hba.conf"), found, None, todo)


def test_peer_only_for_postgres(data: Host) -> None:
    rules = data.see("database", "cluster", "hba")
    found = [str(r["line"]) for r in rules if r["method"] == "peer" and r["user"] != ["postgres"]]
    assert not found, find(data, _("the list of lines of pg_hba.conf with peer for others"), found, None)


def test_network_access_with_tls(data: Host) -> None:
    rules = data.see("database", "cluster", "hba")
    network = [
        r for r in rules if r["type"] in {"host", "hostnossl"} and r["address"] not in {"127.0.0.1", "::1"}
    ]
    found = [f"{r['type']} {r['address']} (line {r['line']})" for r in network if r["method"] != "reject"]
    assert not found, find(data, _("the list of rules in pg_hba.conf without TLS"), found, None)


def test_passwords(data: Host) -> None:
    found = [f"{role}: {why}" for role, why in data.see("database", "weak_roles").items()]
    todo = _("set another password in vault.yml and run `lpse-ops provision`.")
    assert not found, find(data, _("the list of weak or missing passwords"), found, None, todo)


def test_role_has_no_powers(data: Host) -> None:
    role = data.see("database", "cluster", "roles", data.expected.database_role)
    found = [power for power in ("super", "createdb", "createrole", "replication") if role[power]]
    assert role["login"], find(data, _("the right of the application's role to log in"), False, True)
    assert not found, find(data, _("the list of powers of the application's role"), found, None)


def test_data_folder(data: Host) -> None:
    entry = data.see("database", "data")
    found = (entry["user"], entry["mode"])
    assert found == ("postgres", "0700"), find(
        data, _("owner and mode of the data folder"), found, "postgres, 0700"
    )
