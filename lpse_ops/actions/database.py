"""The database: promotion of the standby."""

from lpse_ops.actions.context import Outcome, RunContext, action
from lpse_ops.errors import StepFailed
from lpse_ops.i18n import _
from lpse_ops.plan import Step


@action("database.promote")
def promote(context: RunContext, step: Step) -> Outcome:
    """Promote PostgreSQL on the step's host; the verb itself looks before and after."""
    reply = context.remote.node(step.host, ["promote", *context.fencing], timeout_s=step.deadline_s).data
    if not reply.get("promoted"):
        raise StepFailed(_("PostgreSQL on %(host)s was not promoted.") % {"host": step.host})
    return Outcome(changed=not reply.get("already", False), facts=dict(reply))
