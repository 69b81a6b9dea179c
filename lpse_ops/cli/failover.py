"""``lpse-ops failover``: the hot path from the command line."""

import time
from typing import Annotated

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
from lpse_ops.cli.output import emit
from lpse_ops.cli.planning import ask_to_begin, asker, attested_by, make_plan, reason_of, same_plan
from lpse_ops.cli.telling import around_run, finish

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

    choices = {"yes": yes, "accept_loss": accept_loss, "attest": attested_by(attest)}
    if unwitnessed is not None:
        choices["unwitnessed"] = reason_of(unwitnessed, "--unwitnessed")
    with Fleet(the_site) as fleet:
        made = make_plan(the_site, fleet, to, choices)
        if plan:
            from lpse_ops.plan.render import as_text

            emit(made.to_json(), lambda: as_text(made))
            return 0
        ask_to_begin(made, yes)
        if not yes:  # nobody knows how long the question stood
            made = same_plan(made, the_site, fleet, choices)
        timings = {"load": loaded - began, "observe": time.monotonic() - loaded}
        from lpse_ops.engine.session import start

        around = around_run(the_site, fleet, asker(the_site, yes, accept_loss))
        return finish(
            start(around, made, timings, take_lock=reason_of(take_lock), supersedes=supersedes or "")
        )
