"""``lpse-ops journal``: what a run wrote down, and whether it is whole."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from lpse_ops.cli.options import LanguageOption, OutputMode, OutputOption, SiteOption, open_site
from lpse_ops.cli.output import emit, said_if_slow
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from lpse_ops.engine.journal import Event

RunArgument = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Run id (default: the newest run).")]


def show(
    run: RunArgument = None,
    site: SiteOption = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> None:
    """Show the events of a run as they happened: intents, outcomes, decisions, how it ended."""
    events = _events(site, run)
    emit(events, lambda: "\n".join(_line(event) for event in events))


def verify(
    run: RunArgument = None,
    site: SiteOption = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> None:
    """Check that every event of a run stands as it was written: none edited, missing, moved or cut off.

    The end of a journal is proven by its copies on other hosts; without one it is unanchored. Exit code 7 if anything
    is not as it should be. A journal that another controller has gone on with is brought up to date first.
    """
    the_site = open_site(site, secrets=False)
    from lpse_ops.engine.anchoring import check
    from lpse_ops.engine.runs import latest_run, runs_folder
    from lpse_ops.remote.ssh import Fleet

    folder = runs_folder(the_site)
    with Fleet(the_site) as fleet, said_if_slow(_("Comparing with the copies on the hosts ...")):
        found = check(the_site, fleet, folder, latest_run(folder, run))
    emit(
        found,
        _("The journal is whole: %(n)s events, anchored on %(hosts)s.")
        % {"n": found["events"], "hosts": ", ".join(found["anchors"])},
    )


def list_(
    site: SiteOption = None, output: OutputOption = OutputMode.text, language: LanguageOption = None
) -> None:
    """List the runs whose journals lie on this controller, with how each ended."""
    from lpse_ops.engine.journal import read_events
    from lpse_ops.engine.runs import runs, runs_folder
    from lpse_ops.engine.status import last_status

    folder = runs_folder(open_site(site, secrets=False, network=False))
    found = [
        {"run": run, "status": last_status(read_events(folder / f"{run}.jsonl"))} for run in runs(folder)
    ]
    emit(found, "\n".join(f"{item['run']}  {item['status']}" for item in found) or _("No runs yet."))


def _events(site: str | None, run: str | None) -> "list[Event]":
    from lpse_ops.engine.journal import read_events
    from lpse_ops.engine.runs import latest_run, runs_folder

    folder = runs_folder(open_site(site, secrets=False, network=False))
    return read_events(folder / f"{latest_run(folder, run)}.jsonl")


def _line(event: "Event") -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event["time"]))
    rest = {key: event[key] for key in ("step", "status", "seconds", "reason", "holder") if key in event}
    words = "  ".join(f"{key}={value}" for key, value in rest.items())
    error = event.get("error")
    told = f"  {error['message']}" if isinstance(error, dict) else ""
    return f"{event['seq']:>4}  {when}  {event['type']:<12}  {words}{told}"
