"""``lpse-ops status``: what is, as far as it can be seen from here."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lpse_ops.cli.options import (
    LanguageOption,
    OutputMode,
    OutputOption,
    SiteOption,
    VaultPasswordOption,
    open_site,
)
from lpse_ops.cli.output import emit, said_if_slow
from lpse_ops.errors import AttentionNeeded
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from rich.table import Table

    from lpse_ops.observe.facts import NodeState
    from lpse_ops.observe.judgement import SiteStatus
    from lpse_ops.observe.site import HostView, SiteObservation
    from lpse_ops.site import Site


def status(
    power: Annotated[bool, typer.Option("--power/--no-power", help="Ask the nodes' BMCs too.")] = True,
    site: SiteOption = None,
    vault_password_file: VaultPasswordOption = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> int:
    """Show states, epoch, guard, lags, protection, age of samples, and what could not be seen.

    Exit code 0: all is well. 8: something wants a person; the reasons are listed.
    """
    the_site = open_site(site, vault_password_file, secrets=power)

    from lpse_ops.observe.judgement import judge
    from lpse_ops.observe.site import observe_site
    from lpse_ops.remote.ssh import Fleet

    with Fleet(the_site) as fleet, said_if_slow(_("Looking at every host and its power ...")):
        seen = observe_site(the_site, fleet, power=power)
    found = judge(the_site, seen)
    emit(as_json(the_site, seen, found), lambda: as_text(the_site, seen, found))
    return AttentionNeeded.exit_code if found.reasons else 0


def as_json(site: "Site", seen: "SiteObservation", found: "SiteStatus") -> dict[str, Any]:
    """Given an observation and its meaning, return the stable JSON of ``--output json``."""
    from lpse_ops.observe.strict import plain

    meaning = plain(found)
    hosts = {}
    for name, view in seen.hosts.items():
        shown = plain(view)
        if shown["state"] is not None:
            shown["state"]["samples"] = shown["state"]["samples"][-1:]
        hosts[name] = shown
    return {
        "site": site.name,
        "observed_at": seen.observed_at,
        "seconds": seen.seconds,
        "attention": bool(found.reasons),
        **meaning,
        "hosts": hosts,
        "power": plain(seen.power),
    }


def as_text(site: "Site", seen: "SiteObservation", found: "SiteStatus") -> str:
    """Given an observation and its meaning, return what a terminal shows."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in (_("Host"), _("Is"), _("Power"), _("Guard"), _("Database"), _("Application"), _("Proxy")):
        table.add_column(heading, no_wrap=True)
    for name, view in seen.hosts.items():
        reading = seen.power.get(name)
        shown = _("?") if reading is None or reading.state is None else reading.state
        table.add_row(name, _part(name, found), shown if name in site.nodes else "-", *_cells(view))
    lines = [
        _("Site %(name)s: %(title)s") % {"name": site.name, "title": site.title},
        _drawn(table),
        _epoch(found),
        *_lags(found),
        _protection(found),
        _samples(found),
    ]
    if found.reasons:
        lines += ["", _("Attention:"), *(f"  - {reason}" for reason in found.reasons)]
    return "\n".join(lines)


def _drawn(table: "Table") -> str:
    """Draw a table as wide as it is: a reader that is no terminal gets whole lines."""
    from io import StringIO

    from rich.console import Console

    out = StringIO()
    Console(file=out, width=200, markup=False, highlight=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _part(name: str, found: "SiteStatus") -> str:
    if name == found.active:
        return _("active")
    return _("standby") if name == found.standby else _("voter")


def _cells(view: "HostView") -> tuple[str, str, str, str]:
    state = view.state
    if state is None:
        return _("not seen"), _("not seen"), _("not seen"), _("not seen")
    guard = state.guard.state if state.guard else "-"
    application = (state.application.state if state.application else None) or "-"
    if state.application and state.application.ready:
        application = _("ready")
    proxy = "-" if state.proxy is None else _("down")
    if state.proxy and state.proxy.running:
        proxy = _("open") if state.proxy.open else _("notice page")
    return guard, _database(state), application, proxy


def _database(state: "NodeState") -> str:
    database = state.database
    if database is None:
        return "-"
    if not database.running:
        return _("stopped")
    if database.in_recovery is None:
        return _("does not answer")
    return (database.receiver or _("not streaming")) if database.in_recovery else _("takes writes")


def _epoch(found: "SiteStatus") -> str:
    if found.record is None:
        return _("Epoch: unknown")
    return _("Epoch: %(epoch)s, %(active)s is active, since run %(run)s") % {
        "epoch": found.record.epoch,
        "active": found.record.active,
        "run": found.record.run or "-",
    }


def _lags(found: "SiteStatus") -> tuple[str, str]:
    database, documents = found.database, found.documents
    return (
        _("Database lag: %(bytes)s, %(seconds)s")
        % {"bytes": _bytes(database.bytes), "seconds": _seconds(database.seconds)},
        _("Documents lag: %(files)s files, %(bytes)s, %(seconds)s")
        % {
            "files": _("?") if documents.files is None else documents.files,
            "bytes": _bytes(documents.bytes),
            "seconds": _seconds(documents.seconds),
        },
    )


def _protection(found: "SiteStatus") -> str:
    words = {
        "protected": _("Protected: the standby has the database and the documents."),
        "unprotected": _("UNPROTECTED: if the active node dies now, more is lost than promised."),
        "unknown": _("Protection unknown: not enough could be seen."),
    }
    return words[found.protection]


def _samples(found: "SiteStatus") -> str:
    ages = ", ".join(
        f"{host} {_('never') if age is None else _seconds(age)}" for host, age in found.samples.items()
    )
    return _("Last sample of the active node: %(ages)s") % {"ages": ages or _("none")}


def _bytes(value: int | None) -> str:
    return _("unknown bytes") if value is None else _("%(count)s bytes") % {"count": f"{value:,}"}


def _seconds(value: float | None) -> str:
    return _("unknown s") if value is None else _("%(seconds).1f s") % {"seconds": value}
