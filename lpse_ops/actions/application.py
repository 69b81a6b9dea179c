"""The application: start it and wait until it answers."""

from lpse_ops.actions.context import Outcome, RunContext, action
from lpse_ops.plan import Step


@action("application.start")
def start(context: RunContext, step: Step) -> Outcome:
    """Start the application on the step's host and wait until it is ready; nothing happens if it is."""
    timeout = str(int(step.deadline_s))
    verb = ["application", "start", *context.fencing, "--timeout", timeout]
    reply = context.remote.node(step.host, verb, timeout_s=step.deadline_s + 5).data
    return Outcome(changed=not reply.get("already", False), facts=dict(reply))
