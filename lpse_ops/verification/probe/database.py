"""PostgreSQL: its cluster, settings, access rules, roles, the application's database and the replication."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from lpse_ops.verification.probe.common import entry, node_conf, query, read, run, unit

SETTINGS = (
    "server_version_num",
    "ssl",
    "ssl_min_protocol_version",
    "password_encryption",
    "listen_addresses",
    "port",
    "wal_level",
    "hot_standby",
    "max_slot_wal_keep_size",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "synchronous_standby_names",
    "TimeZone",
    "log_timezone",
    "shared_buffers",
    "effective_cache_size",
    "maintenance_work_mem",
    "work_mem",
    "max_connections",
    "data_directory",
    "config_file",
    "hba_file",
    "default_transaction_read_only",
    "transaction_read_only",
)

CLUSTER_QUERY = """
select json_build_object(
 'settings', (select json_object_agg(name, current_setting(name)) from pg_settings where name in ({settings})),
 'bytes', (select json_object_agg(name, setting::numeric * case unit when '8kB' then 8192 when 'kB' then 1024
           when 'MB' then 1048576 else 1 end) from pg_settings
           where unit in ('8kB', 'kB', 'MB') and name in ({settings})),
 'pending_restart', (select coalesce(json_agg(name), '[]') from pg_settings where pending_restart),
 'file_errors', (select coalesce(json_agg(error), '[]') from pg_file_settings where error is not null),
 'in_recovery', pg_is_in_recovery(),
 'hba', (select coalesce(json_agg(json_build_object('line', line_number, 'type', type, 'database', database,
        'user', user_name, 'address', address, 'method', auth_method, 'error', error) order by line_number), '[]')
        from pg_hba_file_rules),
 'databases', (select json_object_agg(datname, json_build_object('owner', pg_get_userbyid(datdba),
        'encoding', pg_encoding_to_char(encoding), 'collate', datcollate, 'ctype', datctype)) from pg_database),
 'roles', (select json_object_agg(rolname, json_build_object('super', rolsuper, 'createdb', rolcreatedb,
        'createrole', rolcreaterole, 'replication', rolreplication, 'login', rolcanlogin))
        from pg_roles where rolname !~ '^pg_'),
 'slots', (select coalesce(json_agg(json_build_object('name', slot_name, 'type', slot_type, 'active', active,
        'status', wal_status)), '[]') from pg_replication_slots),
 'senders', (select coalesce(json_agg(json_build_object('name', r.application_name, 'state', r.state,
        'sync', r.sync_state, 'lag_bytes', case when pg_is_in_recovery() then null
        else pg_wal_lsn_diff(pg_current_wal_lsn(), r.flush_lsn) end, 'tls', s.ssl)), '[]')
        from pg_stat_replication r left join pg_stat_ssl s using (pid)),
 'receiver', (select json_build_object('status', status, 'slot', slot_name, 'sender', sender_host,
        'conninfo', regexp_replace(conninfo, 'password=\\S+', 'password=x')) from pg_stat_wal_receiver limit 1),
 'primary_conninfo', regexp_replace(current_setting('primary_conninfo'), 'password=\\S+', 'password=x'),
 'replay_paused', case when pg_is_in_recovery() then pg_is_wal_replay_paused() end,
 'receive_replay_bytes', case when pg_is_in_recovery()
        then pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) end)
"""

DATABASE_QUERY = """
select json_build_object(
 'schemas', (select json_object_agg(nspname, pg_get_userbyid(nspowner)) from pg_namespace
        where nspname !~ '^pg_' and nspname <> 'information_schema'),
 'public_may_create', has_schema_privilege('public', 'public', 'create'),
 'foreign_owned', (select coalesce(json_agg(c.oid::regclass || ' (' || pg_get_userbyid(c.relowner) || ')'),
        '[]') from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r','p','v','m','S')
        and pg_get_userbyid(c.relowner) <> '{role}'),
 'tables', (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'ekontrak') and c.relkind in ('r', 'p')),
 'collation_versions', (select json_build_array(datcollversion, pg_database_collation_actual_version(oid))
        from pg_database where datname = current_database()),
 'invalid_indexes', (select coalesce(json_agg(indexrelid::regclass::text), '[]') from pg_index where not indisvalid),
 'extensions', (select json_object_agg(extname, extversion) from pg_extension))
"""


def database(order: dict[str, Any]) -> dict[str, Any]:
    """Return what the concerns "database" and "replication" judge; `error` in `cluster` when it does not answer."""
    conf = node_conf()
    facts: dict[str, Any] = {
        "unit": unit(conf["PG_UNIT"]),
        "version": conf["PG_VERSION"],
        "data": entry(conf["PG_DATA"]),
        "package": run("dpkg-query", "-W", "-f", "${Version}", f"postgresql-{conf['PG_VERSION']}")[1],
        "listen_pid": int((read(conf["PG_DATA"] + "/postmaster.pid") or "0").split("\n")[0]),
    }
    if facts["unit"]["ActiveState"] != "active" and not facts["listen_pid"]:
        return facts
    facts["cluster"] = query(conf, "postgres", CLUSTER_QUERY.format(settings=_quoted(SETTINGS)))
    facts["application"] = query(conf, order["database"], DATABASE_QUERY.format(role=order["database_role"]))
    facts["weak_roles"] = _weak_roles(conf)
    if facts["cluster"].get("in_recovery") is False:
        facts["write"] = query(conf, order["database"], "select json_build_object('xid', txid_current())")
    else:
        # A temporary table is a write that leaves nothing, and that a standby must refuse.
        facts["write"] = query(conf, order["database"], "create temporary table lpse_verification (x int)")
    return facts


def _quoted(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _weak_roles(conf: dict[str, str]) -> dict[str, str]:
    """Return login roles whose password is not stored as SCRAM, is missing, or equals the role's name."""
    text = "select json_object_agg(rolname, rolpassword) from pg_authid where rolcanlogin and rolname <> 'postgres'"
    weak = {}
    for role, stored in (query(conf, "postgres", text) or {}).items():
        if not stored:
            weak[role] = "none"
        elif not stored.startswith("SCRAM-SHA-256$"):
            weak[role] = "not scram"
        elif _scram_matches(stored, role):
            weak[role] = "name"
    return weak


def _scram_matches(stored: str, password: str) -> bool:
    """Tell whether a stored SCRAM-SHA-256 verifier (RFC 5803) is that of `password`."""
    _, rounds_and_salt, keys = stored.split("$")
    rounds, salt = rounds_and_salt.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return keys.split(":")[0] == base64.b64encode(hashlib.sha256(client_key).digest()).decode()
