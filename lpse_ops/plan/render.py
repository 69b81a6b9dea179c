"""A plan for people: what will be done, in which order, what cannot be taken back."""

import json

from lpse_ops.i18n import _
from lpse_ops.plan.graph import order
from lpse_ops.plan.model import Plan, Step


def title_of(step: Step) -> str:
    """Return the step's title in the user's language."""
    return _(step.title) % {"host": step.host}


def console_of(step: Step, run: str, token: int) -> str:
    """Given a step, its run and token, return what a person does by hand at the step's host ("" if nothing helps)."""
    text = _(step.console) if step.console else ""
    if record := step.args.get("record"):
        text = text.replace("RECORD", json.dumps({**record, "run": run}))
    return text.replace("RUN", run).replace("TOKEN", str(token))


def as_text(plan: Plan) -> str:
    """Return the plan as lines: one a step, with what it waits for and what it cannot undo."""
    lines = [_("Plan: %(procedure)s of site %(site)s") % {"procedure": plan.procedure, "site": plan.site}]
    if plan.declared_dead:
        lines.append(_("Declared dead and left out: %(hosts)s") % {"hosts": ", ".join(plan.declared_dead)})
    position = {step_id: number for number, step_id in enumerate(_numbering(plan), 1)}
    for step_id, number in position.items():
        step = plan.step(step_id)
        after = ", ".join(str(position[need]) for need in step.needs)
        mark = "!" if step.irreversible else " "
        lines.append(
            f" {number:>2} {mark} {title_of(step)} [{step.host}]"
            + (_("  after %(n)s") % {"n": after} if after else "")
            + ("" if step.critical else _("  (optional)"))
        )
        if step.irreversible:
            lines.append(f"        {_(step.no_undo)}")
    lines.append(_("! = cannot be taken back. Steps that do not wait for each other run side by side."))
    return "\n".join(lines)


def _numbering(plan: Plan) -> list[str]:
    """The plan's own order where it honours the needs (builders write it so), else a sorted one."""
    written = [step.id for step in plan.steps]
    honoured = all(written.index(need) < written.index(step.id) for step in plan.steps for need in step.needs)
    return written if honoured else order(plan)
