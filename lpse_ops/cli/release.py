"""``lpse-ops release``: open a node that its return guard holds because no other voter can be asked."""

from typing import TYPE_CHECKING, Annotated

import typer

from lpse_ops.cli.options import (
    LanguageOption,
    OutputMode,
    OutputOption,
    SiteOption,
    VaultPasswordOption,
    YesOption,
    open_site,
)
from lpse_ops.cli.output import confirm, emit, progress, said_if_slow
from lpse_ops.errors import Refused, StepFailed
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from lpse_ops.remote import Remote
    from lpse_ops.site import Site


def release(
    node: Annotated[str, typer.Argument(metavar="NODE", help="The node whose guard holds.")],
    reason: Annotated[
        str,
        typer.Option(
            "--reason", metavar="TEXT", help="Why, in at least ten letters; it is kept on the node."
        ),
    ],
    yes: YesOption = False,
    site: SiteOption = None,
    vault_password_file: VaultPasswordOption = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> None:
    """Open the active node although no other voter confirms it: both the repository and the other node are away.

    Refused, with all reasons, if anything that can be seen speaks against it: a higher epoch, another node that is open
    for writes, or one that has power and cannot be seen. The release counts until the node's next start.
    """
    from lpse_ops.cli.planning import reason_of
    from lpse_ops.procedures.nodes import known_node

    the_site = open_site(site, vault_password_file)
    known_node(the_site, node)
    why = reason_of(reason, "--reason")
    from lpse_ops.observe.site import observe_site
    from lpse_ops.procedures.release import against_release, already_open
    from lpse_ops.remote.ssh import Fleet

    with Fleet(the_site) as fleet:
        with said_if_slow(_("Looking at every host and its power ...")):
            seen = observe_site(the_site, fleet)
        changed = not already_open(seen, node)
        if changed:
            reasons = against_release(the_site, seen, node)
            if reasons:
                raise Refused(
                    _("%(node)s is not released; nothing was changed.") % {"node": node},
                    reasons=reasons,
                    hint=_(
                        "`lpse-ops status` shows what was seen; the guard opens by itself once a voter confirms."
                    ),
                )
            for what, cause in seen.unseen().items():
                progress(f"{what}: {cause}")
            question = _(
                "Nobody confirms that %(node)s is still the active node. If another node was made active meanwhile, "
                "there will be two. Open it?"
            ) % {"node": node}
            if not confirm(question, yes=yes):
                raise Refused(_("Not confirmed; nothing was changed."))
            fleet.node(node, ["release", "--reason", why], timeout_s=60)
        seconds = _await_serving(the_site, fleet, node)
    emit(
        {
            "node": node,
            "released": True,
            "changed": changed,
            "reason": why,
            "serving": True,
            "seconds": seconds,
        },
        _("%(node)s is open and serves after %(seconds).0f s.") % {"node": node, "seconds": seconds},
    )


def _await_serving(site: "Site", fleet: "Remote", node: str) -> float:
    """Wait until the node serves the public; return how long that took in seconds. Raise StepFailed if it does not."""
    import time

    from lpse_ops.observe.facts import NodeState
    from lpse_ops.waiting import wait_until

    began = time.monotonic()
    said: dict[str, str] = {}

    def serves() -> bool:
        state = NodeState.parse(dict(fleet.node(node, ["observe"], timeout_s=10).data), node)
        if state.guard is not None:
            said["guard"] = f"{state.guard.state}: {state.guard.reason}"
        return bool(state.proxy and state.proxy.open and state.application and state.application.ready)

    if not wait_until(serves, site.instance.start_timeout_s, every=0.5):
        raise StepFailed(
            _("%(node)s was released, but it does not serve yet.") % {"node": node},
            reasons=[said.get("guard", "?")],
            hint=_(
                "`lpse-node guard show` on its console says what it waits for; `lpse-ops status` shows the rest."
            ),
        )
    return round(time.monotonic() - began, 1)
