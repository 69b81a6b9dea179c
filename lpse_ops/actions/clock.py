"""Time is law: zone and clock are right before the public is let in."""

import time

from lpse_ops.actions.context import Outcome, RunContext, action
from lpse_ops.errors import StepFailed
from lpse_ops.i18n import _
from lpse_ops.plan import Step


@action("clock.check")
def check(context: RunContext, step: Step) -> Outcome:
    """Compare the host's zone with the site's and its clock with this controller's, half the round trip
    allowed for.
    """
    sent = time.time()
    state = context.remote.node(step.host, ["observe"], timeout_s=step.deadline_s).data
    trip = time.time() - sent
    offset = abs(float(state["time"]) - (sent + trip / 2))
    most = context.site.policy.max_clock_offset_s + trip / 2
    reasons = []
    if state.get("zone") != context.site.time_zone:
        reasons.append(
            _("%(host)s is on the zone %(zone)s, the site is on %(expected)s.")
            % {"host": step.host, "zone": state.get("zone"), "expected": context.site.time_zone}
        )
    if offset > most:
        reasons.append(
            _("The clock of %(host)s is off by %(offset).1f s; %(most).1f s are allowed.")
            % {"host": step.host, "offset": offset, "most": most}
        )
    if reasons:
        raise StepFailed(
            _("Time on %(host)s is not right; tender deadlines would move.") % {"host": step.host},
            reasons=reasons,
            hint=_("Set the zone with timedatectl and the clock with chronyc, then run `lpse-ops resume`."),
        )
    return Outcome(changed=False, facts={"zone": state["zone"], "offset_s": round(offset, 3)})
