"""The application's database: owner, encoding, collation, schemas, tables; and whether it takes writes."""

from typing import Any

from lpse_ops.i18n import _
from lpse_ops.verification.facts import STANDBY, Host, find
from lpse_ops.verification.plugin import cases


def schemas(_host: Host) -> list[tuple[str, Any]]:
    return [("public", "public"), ("ekontrak", "ekontrak")]


def test_database_owner(data: Host) -> None:
    found = data.see("database", "cluster", "databases", data.expected.database, "owner")
    wanted = data.expected.database_role
    todo = _("run `ALTER DATABASE ... OWNER TO ...` as postgres.")
    assert found == wanted, find(data, _("the owner of the database"), found, wanted, todo)


def test_database_encoding(data: Host) -> None:
    found = data.see("database", "cluster", "databases", data.expected.database, "encoding")
    assert found == data.expected.encoding, find(
        data, _("the encoding of the database"), found, data.expected.encoding
    )


def test_database_collation(data: Host) -> None:
    database = data.see("database", "cluster", "databases", data.expected.database)
    found = {database["collate"], database["ctype"]}
    assert found == {data.expected.locale}, find(
        data, _("the collation of the database"), found, data.expected.locale
    )


def test_collation_version(data: Host) -> None:
    made, now = data.see("database", "application", "collation_versions")
    todo = _("rebuild the text indexes (REINDEX), then ALTER DATABASE ... REFRESH COLLATION VERSION.")
    assert made == now, find(data, _("the collation version of the database"), made, now, todo)


@cases(schemas)
def test_schema(data: Host, case: str) -> None:
    found = data.see("database", "application", "schemas").get(case)
    wanted = data.expected.database_role
    assert found == wanted, find(data, _("the owner of schema %(name)s") % {"name": case}, found, wanted)


def test_tables_belong_to_the_application(data: Host) -> None:
    found = data.see("database", "application", "foreign_owned")[:5]
    todo = _("run `ALTER TABLE ... OWNER TO ...` as postgres.")
    assert not found, find(data, _("the list of tables owned by others"), found, None, todo)
    count = data.see("database", "application", "tables")
    todo = _("run `spse4 migration`, or restore the data.")
    assert count > 0, find(data, _("the number of tables"), count, "> 0", todo)


def test_nobody_else_may_create(data: Host) -> None:
    found = data.see("database", "application", "public_may_create")
    assert found is False, find(data, _("the right of everybody to create in schema public"), found, False)


def test_indexes_are_valid(data: Host) -> None:
    found = data.see("database", "application", "invalid_indexes")
    assert not found, find(data, _("the list of invalid indexes"), found, None, _("run REINDEX on them."))


def test_state(data: Host) -> None:
    found, wanted = data.see("database", "cluster", "in_recovery"), data.role == STANDBY
    todo = _("run `lpse-ops status` before anything else.")
    assert found == wanted, find(data, _("being in recovery (read-only)"), found, wanted, todo)


def test_takes_writes(active: Host) -> None:
    answer = active.see("database", "write")
    todo = _("read PostgreSQL's log: disk full, or read-only?")
    assert "xid" in answer, find(active, _("the answer of PostgreSQL to a write"), answer, _("done"), todo)
