"""``lpse-ops resume`` and ``report``: go on with a run, and see what it did."""

from typing import TYPE_CHECKING, Annotated

import typer

from lpse_ops.cli.failover import AcceptLossOption, TakeLockOption
from lpse_ops.cli.options import (
    LanguageOption,
    OutputMode,
    OutputOption,
    SiteOption,
    VaultPasswordOption,
    YesOption,
    open_site,
)
from lpse_ops.cli.output import emit, progress
from lpse_ops.cli.planning import ask_to_begin, asker, make_plan, reason_of, same_plan
from lpse_ops.cli.telling import around_run, finish
from lpse_ops.errors import Refused, Superseded, UsageError
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from lpse_ops.engine.journal import Event
    from lpse_ops.remote import Remote
    from lpse_ops.site import Site

RunArgument = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Run id (default: the newest run).")]


def resume(
    run: RunArgument = None,
    yes: YesOption = False,
    accept_loss: AcceptLossOption = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="HOST",
            help="Go on with a run that this machine never saw, from the copy of its journal on this host.",
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        typer.Option(
            "--skip", metavar="STEP", help="Leave an optional step that failed out (with --reason)."
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; it goes into the journal.")
    ] = None,
    take_lock: TakeLockOption = None,
    site: SiteOption = None,
    vault_password_file: VaultPasswordOption = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> int:
    """Go on with a run that was interrupted, killed or stopped by a failed step.

    The plan is the one in the journal. What was done stays done; what it stands on is observed again first, and if
    that no longer holds the run ends as superseded and a new plan is offered. With --from HOST any machine that has the
    inventory, its vault password and the SSH key can go on; RUN may then be left out: the newest unfinished one.
    """
    the_site = open_site(site, vault_password_file)
    skipped = {step: reason_of(reason, "--reason") for step in skip or ()}
    if skip and not reason:
        raise UsageError(
            _("--skip needs --reason."), hint=_('Say why: --reason "..."; it goes into the journal.')
        )
    from lpse_ops.engine.journal import read_events
    from lpse_ops.engine.runs import latest_run, runs_folder
    from lpse_ops.engine.session import resume as resume_run
    from lpse_ops.remote.ssh import Fleet

    folder = runs_folder(the_site)
    with Fleet(the_site) as fleet:
        name = latest_run(folder, run) if from_ is None else _fetched(the_site, fleet, from_, run)
        events = read_events(folder / f"{name}.jsonl")
        _reconsider(the_site, fleet, events, yes)
        around = around_run(the_site, fleet, asker(the_site, yes, accept_loss), events)
        try:
            return finish(resume_run(around, name, take_lock=reason_of(take_lock), skip=skipped))
        except Superseded as error:
            raise _with_a_new_plan(error, the_site, fleet, name) from error


def _fetched(site: "Site", fleet: "Remote", host: str, run: str | None) -> str:
    """Bring the journal of a run here from a host; return the run."""
    from lpse_ops.engine.catchup import catch_up, fetch
    from lpse_ops.engine.runs import runs_folder

    if host not in site.hosts:
        raise UsageError(
            _("The inventory knows no host %(host)s.") % {"host": host},
            hint=_("Hosts of this site: %(hosts)s.") % {"hosts": ", ".join(site.hosts)},
        )
    name, copies = fetch(fleet, host, [other for other in site.hosts if other != host], run)
    if catch_up(runs_folder(site), name, copies):
        progress(_("The journal of run %(run)s was fetched from %(host)s.") % {"run": name, "host": host})
    return name


def _with_a_new_plan(error: Superseded, site: "Site", fleet: "Remote", run: str) -> Superseded:
    """Given why a run is superseded, return that with the plan of now, or with why there is none."""
    from lpse_ops.plan.render import as_text

    try:
        plan = make_plan(site, fleet, None, {"supersedes": run})
    except Refused as refused:
        return Superseded(error.message, reasons=[*error.reasons, *refused.reasons], hint=refused.hint)
    progress(as_text(plan))
    return Superseded(
        error.message,
        reasons=error.reasons,
        hint=_("A new plan is possible (shown above): `lpse-ops failover --supersedes %(run)s`.")
        % {"run": run},
    )


def _reconsider(site: "Site", fleet: "Remote", events: "list[Event]", yes: bool) -> None:
    """Before a run that has done nothing yet goes on, see that it is still right: the active node may be well again."""
    from lpse_ops.engine.status import GOOD
    from lpse_ops.plan import Plan
    from lpse_ops.plan.graph import acts_on_proof

    if not events or events[0]["type"] != "run-started":
        return
    plan = Plan.from_json(events[0]["plan"])
    acts = {step.id for step in plan.steps if step.irreversible}
    beyond = {step.id for step in plan.steps if acts_on_proof(plan, step)}
    if any(
        (e["type"] == "outcome" and e["status"] in GOOD and e["step"] in acts)
        or (e["type"] == "intent" and e["step"] in beyond)
        for e in events
    ):
        return
    ask_to_begin(plan, yes)
    same_plan(plan, site, fleet, dict(plan.choices))


def report(
    run: RunArgument = None,
    site: SiteOption = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> None:
    """Print the report of a run: its steps and times, the loss that was stated, where the seconds went."""
    from lpse_ops.engine.journal import read_events
    from lpse_ops.engine.runs import latest_run, runs_folder
    from lpse_ops.papers.run_report import as_text, run_report

    the_site = open_site(site, secrets=False, network=False)
    folder = runs_folder(the_site)
    view = run_report(read_events(folder / f"{latest_run(folder, run)}.jsonl"))
    emit(view, lambda: as_text(view))
