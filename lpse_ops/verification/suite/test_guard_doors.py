"""Everything behind the guard is open on the active node, and shut on every other."""

from lpse_ops.i18n import _
from lpse_ops.verification.facts import Host, find
from lpse_ops.verification.outside import own_door


def is_open(what: str, node: Host) -> str:
    todo = _("run `lpse-node deactivate` there, and find out what opened it.")
    return find(node, what, _("open"), _("shut, as the node is not the active one"), todo)


def test_service_is_open(active: Host) -> None:
    assert active.see("guard", "flag"), find(
        active, _("the proxy"), _("closed"), _("open on the active node"), _("run `lpse-ops status`.")
    )


def test_service_address_held(active: Host) -> None:
    found = active.see("guard", "observe", "address", "held")
    assert found is True, find(
        active, _("the service address"), found, _("held"), _("run `lpse-ops status`.")
    )


def test_proxy_is_shut(shut: Host) -> None:
    assert not shut.see("guard", "flag"), is_open(_("the proxy"), shut)


def test_service_address_is_not_held(shut: Host) -> None:
    assert shut.see("guard", "observe", "address", "held") is False, is_open(_("the service address"), shut)


def test_application_is_stopped(shut: Host) -> None:
    unit = shut.see("application", "unit")
    assert unit["ActiveState"] in {"inactive", "failed"}, is_open(_("the application"), shut)
    running = shut.see("application", "processes")
    assert not running, find(shut, _("the list of the application's processes"), running, None)


def test_database_takes_no_write(standby: Host) -> None:
    answer = standby.see("database", "write")
    refused = "read-only" in str(answer.get("error", "")) or "in recovery" in str(answer.get("error", ""))
    assert refused, find(standby, _("the answer of PostgreSQL to a write"), answer, _("refused: read-only"))


def test_database_is_not_open(closed: Host) -> None:
    database = closed.see("database")
    open_ = database.get("cluster", {}).get("in_recovery") is False
    assert not open_, is_open("PostgreSQL", closed)


def test_notice_is_shown(shut: Host) -> None:
    answer = own_door(shut).get(f"{shut.expected.context_path}/lelang")
    found = (answer.status, "Retry-After" if "retry-after" in answer.headers else "")
    assert found == (503, "Retry-After"), find(
        shut, _("the answer of the closed proxy"), found, "503, Retry-After"
    )
    assert 'id="lpse-notice"' in answer.text, find(
        shut, _("the closed proxy's page"), answer.text[:60], _("the notice")
    )
