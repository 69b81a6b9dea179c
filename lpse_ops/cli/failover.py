"""``lpse-ops failover``, ``resume``, ``report``: the hot path from the command line."""

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lpse_ops.cli.options import (
    LanguageOption,
    OutputMode,
    OutputOption,
    PlanOption,
    SiteOption,
    VaultPasswordOption,
    YesOption,
    open_site,
)
from lpse_ops.cli.output import ask_text, confirm, emit, progress, said_if_slow
from lpse_ops.errors import Incomplete, Refused, StepFailed, Superseded, UsageError
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from lpse_ops.actions.context import Facts
    from lpse_ops.engine.journal import Event
    from lpse_ops.engine.session import Confirm, Surroundings
    from lpse_ops.plan import Plan
    from lpse_ops.remote import Remote
    from lpse_ops.site import Site

ToOption = Annotated[
    str | None, typer.Option("--to", metavar="NODE", help="Node that takes over (default: the other one).")
]
AcceptLossOption = Annotated[
    str | None,
    typer.Option(
        "--accept-loss", metavar="REASON", help="Go on although more than the site's RPO can be lost; why."
    ),
]
AttestOption = Annotated[
    str | None,
    typer.Option(
        "--attest",
        metavar="REASON",
        help="Vouch for the death of an active node whose power cannot be read; how you know (at least ten letters).",
    ),
]
TakeLockOption = Annotated[
    str | None,
    typer.Option(
        "--take-lock",
        metavar="REASON",
        help="Take the lock of the site from a run that will not go on; why (at least ten letters). That run's late "
        "commands then do nothing.",
    ),
]
UnwitnessedOption = Annotated[
    str | None,
    typer.Option(
        "--unwitnessed",
        metavar="REASON",
        help="Go on although the repository cannot be reached; why (at least ten letters). Only with the old node's "
        "power proven off. The repository does not learn of the new epoch: until it has witnessed it, keep the old "
        "node without power, for where only the repository and the old node see each other it would open again. The "
        "repository witnesses by itself as soon as it and the new node see each other.",
    ),
]
RunArgument = Annotated[str | None, typer.Argument(metavar="[RUN]", help="Run id (default: the newest run).")]

REASON_LETTERS = 10


def failover(
    to: ToOption = None,
    plan: PlanOption = False,
    yes: YesOption = False,
    accept_loss: AcceptLossOption = None,
    attest: AttestOption = None,
    take_lock: TakeLockOption = None,
    unwitnessed: UnwitnessedOption = None,
    supersedes: Annotated[
        str | None,
        typer.Option(
            "--supersedes", metavar="RUN", help="The run whose place this one takes; for the records."
        ),
    ] = None,
    site: SiteOption = None,
    vault_password_file: VaultPasswordOption = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> int:
    """Bring the service up on the standby because the active node is dead.

    Looks at every host and BMC, takes the power of the old active node and proves that it is dead, states
    what can be lost, asks, and then makes the standby active: a new epoch on two voters, promotion, service
    address, application, proxy. A healthy active node is refused. Ends with exit code 5: serving, but without
    a standby; `lpse-ops protect` mends that. If it stops on the way (4), go on with `lpse-ops resume`.
    """
    began = time.monotonic()
    the_site = open_site(site, vault_password_file)
    loaded = time.monotonic()
    from lpse_ops.remote.ssh import Fleet

    choices = {"yes": yes, "accept_loss": accept_loss, "attest": _attested(attest)}
    if unwitnessed is not None:
        choices["unwitnessed"] = reason_of(unwitnessed, "--unwitnessed")
    with Fleet(the_site) as fleet:
        made = _make_plan(the_site, fleet, to, choices)
        if plan:
            from lpse_ops.plan.render import as_text

            emit(made.to_json(), lambda: as_text(made))
            return 0
        _ask_to_begin(made, yes)
        if not yes:  # nobody knows how long the question stood
            made = _same_plan(made, the_site, fleet, choices)
        timings = {"load": loaded - began, "observe": time.monotonic() - loaded}
        from lpse_ops.engine.session import start

        around = _around(the_site, fleet, _asker(the_site, yes, accept_loss))
        return _finish(
            start(around, made, timings, take_lock=reason_of(take_lock), supersedes=supersedes or "")
        )


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
        _reconsider(the_site, fleet, read_events(folder / f"{name}.jsonl"), yes)
        around = _around(the_site, fleet, _asker(the_site, yes, accept_loss))
        try:
            return _finish(resume_run(around, name, take_lock=reason_of(take_lock), skip=skipped))
        except Superseded as error:
            raise _with_a_new_plan(error, the_site, fleet, name) from error


def reason_of(text: str | None, option: str = "--take-lock") -> str:
    """Given what was typed as a reason (None: nothing), return it. Raise UsageError if it says too little."""
    if text is not None and len(text.strip()) < REASON_LETTERS:
        raise UsageError(
            _("%(option)s needs a reason of at least %(n)s letters.")
            % {"option": option, "n": REASON_LETTERS},
            hint=_("Say it so that whoever reads the journal next year understands it."),
        )
    return (text or "").strip()


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
        plan = _make_plan(site, fleet, None, {"supersedes": run})
    except Refused as refused:
        return Superseded(error.message, reasons=[*error.reasons, *refused.reasons], hint=refused.hint)
    progress(as_text(plan))
    return Superseded(
        error.message,
        reasons=error.reasons,
        hint=_("A new plan is possible (shown above): `lpse-ops failover --supersedes %(run)s`.")
        % {"run": run},
    )


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


def _make_plan(site: "Site", fleet: "Remote", to: str | None, choices: dict[str, Any]) -> "Plan":
    from lpse_ops.observe.life import look_for_life
    from lpse_ops.observe.site import observe_site
    from lpse_ops.procedures.choice import attestable, choose, hidden
    from lpse_ops.procedures.failover import build
    from lpse_ops.procedures.nodes import known_node

    target = known_node(site, to)
    with said_if_slow(_("Looking at every host and its power ...")):
        seen = observe_site(site, fleet)
        if (node := hidden(seen)) is not None:
            seen = look_for_life(site, fleet, seen, node)
    unwitnessed = bool(choices.get("unwitnessed"))
    choice, reasons = choose(
        site, seen, target, attested=bool(choices.get("attest")), unwitnessed=unwitnessed
    )
    # Without a witness nothing but power that was taken will do: nobody is asked for his word.
    if choice is None and (node := attestable(seen)) and not choices.get("attest") and not unwitnessed:
        choices["attest"] = _ask_to_attest(node, reasons, yes=bool(choices.get("yes", True)))
        if choices["attest"]:
            choice, reasons = choose(site, seen, target, attested=True)
    if choice is None:
        hint = _(
            "`lpse-ops status` shows all that was seen. If the active node is healthy, plan a switchover instead."
        )
        if attestable(seen) and not choices.get("attest"):
            hint = _(
                "If somebody stands before %(node)s and sees that it has no power: "
                '`lpse-ops failover --attest "HOW YOU KNOW"`.'
            ) % {"node": attestable(seen)}
        raise Refused(_("A failover is refused; nothing was changed."), reasons=reasons, hint=hint)
    return build(site, choice, seen, choices)


def _attested(words: str | None) -> "Facts | None":
    """Given the words of an attestation (None: none), return who gave it, when, and the words."""
    from lpse_ops.engine.lock import holder

    if words is None:
        return None
    return {"words": reason_of(words, "--attest"), "by": holder(), "attested_at": round(time.time(), 3)}


def _ask_to_attest(node: str, reasons: list[str], *, yes: bool) -> "Facts | None":
    """At a terminal, let a person vouch for the death of a node, with words and its name; None if nobody does."""
    if yes or len(reasons) > 1 or not sys.stdin.isatty():
        return None  # nobody to ask, or a failover that would be refused all the same
    progress("\n".join(reasons))
    words = ask_text(
        _("If you know that %(node)s is dead, say how (it goes into the journal; empty: no):")
        % {"node": node},
        None,
    )
    if not words:
        return None
    attested = _attested(words)
    if ask_text(_("Type the name of the dead node to attest it:"), None) != node:
        raise Refused(
            _("Not attested; nothing was changed."), hint=_("`lpse-ops status` shows all that was seen.")
        )
    return attested


def _same_plan(made: "Plan", site: "Site", fleet: "Remote", choices: dict[str, Any]) -> "Plan":
    """Look at the site once more; return the plan of now. Raise Refused if it is no longer the one that was made."""
    again = _make_plan(site, fleet, made.hosts[0], choices)
    if again.facts["record"] != made.facts["record"]:
        raise Refused(
            _("The site has changed since this plan was made; nothing was changed."),
            hint=_("`lpse-ops status` shows who is active now."),
        )
    return again


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
    _ask_to_begin(plan, yes)
    _same_plan(plan, site, fleet, dict(plan.choices))


def _ask_to_begin(plan: "Plan", yes: bool) -> None:
    old, new = plan.declared_dead[0], plan.hosts[0]
    for note in plan.facts.get("notes", ()):
        progress(note)
    question = (
        _("%(old)s is attested dead, its power cannot be read; %(new)s becomes the active node. Go on?")
        if plan.facts.get("fencing") == "attested"
        else _("%(old)s will be powered off and %(new)s becomes the active node. Go on?")
    ) % {"old": old, "new": new}
    if not confirm(question, yes=yes):
        raise Refused(
            _("Not confirmed; nothing was changed."), hint=_("`lpse-ops failover --plan` shows the steps.")
        )


def _asker(site: "Site", yes: bool, accept_loss: str | None) -> "Confirm":
    """Return how the point of no return is decided: within the RPO a yes is enough, beyond it a reason must
    be given.
    """

    def ask(statement: str, stated: "Facts") -> "Facts":
        from lpse_ops.actions.loss import within

        progress(statement)
        if within(stated, site.policy.rpo_s):
            if not confirm(_("Go on?"), yes=yes):
                raise StepFailed(
                    _("Not confirmed."), hint=_("Go on with `lpse-ops resume`, or power the old node on.")
                )
            return {"confirmed": True, "within_rpo": True}
        reason = accept_loss if yes else ask_text(_("More than the RPO can be lost. Why go on?"), accept_loss)
        if reason is None:
            raise StepFailed(
                _("More than the site's RPO of %(rpo)s s can be lost; that needs a reason.")
                % {"rpo": site.policy.rpo_s},
                reasons=[statement],
                hint=_('Go on with `lpse-ops resume --accept-loss "REASON"`.'),
            )
        return {"confirmed": True, "within_rpo": False, "accept_loss": reason_of(reason, "--accept-loss")}

    return ask


def _around(site: "Site", fleet: "Remote", asker: "Confirm") -> "Surroundings":
    from lpse_ops.engine.session import Surroundings

    return Surroundings(site, fleet, asker, _Teller())


def _finish(events: "list[Event]") -> int:
    from lpse_ops.papers.run_report import as_text, run_report

    view = run_report(events)
    emit(view, lambda: as_text(view))
    if view["witnessed"] is False:
        progress(
            _(
                "UNWITNESSED: the repository does not know of this epoch. Keep the old active node without power until "
                "`lpse-ops status` no longer says so."
            )
        )
    progress(_("The site serves, but it is not protected: `lpse-ops protect` makes a standby again."))
    return Incomplete.exit_code


class _Teller:
    """Tells each step's begin and end in one line on stderr."""

    def __init__(self) -> None:
        self._titles: dict[str, str] = {}

    def __call__(self, event: "Event") -> None:
        if event["type"] == "run-started":
            from lpse_ops.plan import Plan
            from lpse_ops.plan.render import title_of

            self._titles = {step.id: title_of(step) for step in Plan.from_json(event["plan"]).steps}
            progress(_("Run %(run)s begins.") % {"run": event["run"]})
        elif event["type"] == "resumed":
            progress(_("Run %(run)s goes on.") % {"run": event["run"]})
        elif event["type"] == "outcome":
            mark = "✗" if event["status"] == "failed" else "✓"
            progress(f"{mark} {self._titles.get(event['step'], event['step'])}  {event['seconds']:.2f} s")
