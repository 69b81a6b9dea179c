"""Zone and clock: procurement time is the server's time, so both are law."""

from lpse_ops.i18n import _
from lpse_ops.verification.facts import Host, find


def test_zone(host: Host) -> None:
    found, wanted = host.see("clock", "zone"), host.expected.time_zone
    todo = _("run `timedatectl set-timezone %(zone)s` before any deadline is read from this host.") % {
        "zone": wanted
    }
    assert found == wanted, find(host, _("the time zone"), found, wanted, todo)


def test_zone_file(host: Host) -> None:
    found, wanted = host.see("clock", "zone_file"), host.expected.time_zone
    assert found == wanted, find(host, "/etc/timezone", found, wanted)


def test_offset(host: Host) -> None:
    clock = host.see("clock_offset")
    limit = host.expected.max_clock_offset_s
    # What the round trip leaves open does not count against the host.
    found = max(0.0, abs(clock["offset_s"]) - clock["uncertainty_s"])
    todo = _("look at `chronyc tracking` there and here, and correct the clock that is wrong.")
    assert found <= limit, find(
        host,
        _("the clock's distance from this machine's, in seconds,"),
        f"{clock['offset_s']:+.2f}",
        f"<= {limit}",
        todo,
    )


def test_chrony_enabled(host: Host) -> None:
    found = host.see("clock", "chrony", "UnitFileState")
    assert found == "enabled", find(host, "chrony.service", found, "enabled")


def test_chrony_runs(host: Host) -> None:
    unit = host.see("clock", "chrony")
    # A container may not set a clock: systemd then leaves the unit out by its own condition.
    good = unit["ActiveState"] == "active" or unit["ConditionResult"] == "no"
    todo = _("start it: `systemctl start chrony`.")
    assert good, find(host, "chrony.service", unit["ActiveState"], "active", todo)


def test_database_zone(data: Host) -> None:
    settings = data.see("database", "cluster", "settings")
    found = {settings.get("TimeZone"), settings.get("log_timezone")}
    wanted = {data.expected.time_zone}
    assert found == wanted, find(data, _("the time zone of PostgreSQL"), found, wanted)
