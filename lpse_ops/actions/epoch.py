"""The epoch record: who is active, written on the voters before anything is promoted."""

import json

from lpse_ops.actions.context import Outcome, RunContext, action
from lpse_ops.plan import Step


@action("epoch.write")
def write(context: RunContext, step: Step) -> Outcome:
    """Write the record of the step's arguments on its host, fsynced; an equal one that stands there is left
    alone.
    """
    record = {**step.args["record"], "run": context.run}
    verb = ["epoch", "write", *context.fencing]
    reply = context.remote.node(
        step.host, verb, stdin=json.dumps(record) + "\n", timeout_s=step.deadline_s
    ).data
    return Outcome(changed=not reply.get("already", False), facts={"record": record})
