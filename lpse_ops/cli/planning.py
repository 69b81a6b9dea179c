"""How a plan comes about at the command line: look, choose, ask a person where only a person can know."""

import sys
import time
from typing import TYPE_CHECKING, Any

from lpse_ops.cli.output import ask_text, confirm, progress, said_if_slow
from lpse_ops.errors import Refused, StepFailed, UsageError
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from lpse_ops.actions.context import Facts
    from lpse_ops.engine.session import Confirm
    from lpse_ops.plan import Plan
    from lpse_ops.remote import Remote
    from lpse_ops.site import Site

REASON_LETTERS = 10


def reason_of(text: str | None, option: str = "--take-lock") -> str:
    """Given what was typed as a reason (None: nothing), return it. Raise UsageError if it says too little."""
    if text is not None and len(text.strip()) < REASON_LETTERS:
        raise UsageError(
            _("%(option)s needs a reason of at least %(n)s letters.")
            % {"option": option, "n": REASON_LETTERS},
            hint=_("Say it so that whoever reads the journal next year understands it."),
        )
    return (text or "").strip()


def make_plan(site: "Site", fleet: "Remote", to: str | None, choices: dict[str, Any]) -> "Plan":
    """Given a site, the wished node (None: the other one) and the operator's choices, return the plan of now.

    Raise Refused with all reasons; the hint names the exception that an operator could make, if there is one.
    """
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
        choices["attest"] = ask_to_attest(node, reasons, yes=bool(choices.get("yes", True)))
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


def attested_by(words: str | None) -> "Facts | None":
    """Given the words of an attestation (None: none), return who gave it, when, and the words."""
    from lpse_ops.engine.lock import holder

    if words is None:
        return None
    return {"words": reason_of(words, "--attest"), "by": holder(), "attested_at": round(time.time(), 3)}


def ask_to_attest(node: str, reasons: list[str], *, yes: bool) -> "Facts | None":
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
    attested = attested_by(words)
    if ask_text(_("Type the name of the dead node to attest it:"), None) != node:
        raise Refused(
            _("Not attested; nothing was changed."), hint=_("`lpse-ops status` shows all that was seen.")
        )
    return attested


def same_plan(made: "Plan", site: "Site", fleet: "Remote", choices: dict[str, Any]) -> "Plan":
    """Look at the site once more; return the plan of now. Raise Refused if it is no longer the one that was made."""
    again = make_plan(site, fleet, made.hosts[0], choices)
    if again.facts["record"] != made.facts["record"]:
        raise Refused(
            _("The site has changed since this plan was made; nothing was changed."),
            hint=_("`lpse-ops status` shows who is active now."),
        )
    return again


def ask_to_begin(plan: "Plan", yes: bool) -> None:
    """Say what a person should know of a plan and ask whether to begin. Raise Refused on a no."""
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


def asker(site: "Site", yes: bool, accept_loss: str | None) -> "Confirm":
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
