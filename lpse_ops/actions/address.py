"""The service address: claim it on the new active node."""

from lpse_ops.actions.context import Outcome, RunContext, action
from lpse_ops.plan import Step


@action("address.claim")
def claim(context: RunContext, step: Step) -> Outcome:
    """Claim the service address on the step's host and announce it (gratuitous ARP, repeated)."""
    reply = context.remote.node(
        step.host, ["claim-address", *context.fencing], timeout_s=step.deadline_s
    ).data
    return Outcome(changed=not reply.get("already", False), facts=dict(reply))
