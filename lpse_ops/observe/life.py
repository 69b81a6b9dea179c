"""Signs that a node lives which this machine cannot see itself: what the other hosts heard of it since we look."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from lpse_ops.i18n import _
from lpse_ops.observe.site import HostView, SiteObservation, observe_site
from lpse_ops.remote import Remote
from lpse_ops.waiting import scaled, wait_until

if TYPE_CHECKING:
    from lpse_ops.site import Site

# The samplers ask the active node every 2 s: after two rounds a living one has been heard by one that can hear it.
PATIENCE_S = 4.5
_EVERY_S = 0.5


def signs_of_life(seen: SiteObservation, node: str) -> Iterator[str]:
    """Given an observation, yield what other hosts heard of a node after it was begun: samples, the log it sends."""
    for host, view in seen.hosts.items():
        if view.state is None or host == node:
            continue
        heard = [sample.time for sample in view.state.samples if sample.ok and sample.active == node]
        if heard and (since := _since(view, max(heard), seen.observed_at)) is not None:
            yield _("%(host)s reached %(node)s %(s).1f s after this look began.") % {
                "host": host,
                "node": node,
                "s": since,
            }
        received = view.state.database.received_at if view.state.database else None
        if received is not None and (since := _since(view, received, seen.observed_at)) is not None:
            yield _("%(host)s received the log of %(node)s %(s).1f s after this look began.") % {
                "host": host,
                "node": node,
                "s": since,
            }


def look_for_life(site: "Site", fleet: Remote, seen: SiteObservation, node: str) -> SiteObservation:
    """Given an observation in which a node could not be seen though its power is not known to be off, wait until the
    other hosts must have heard it if it lives; return the observation with what they say then.

    Takes at most `PATIENCE_S` from the begin of the observation, and one look more.
    """
    others = [host for host, view in seen.hosts.items() if view.state is not None and host != node]
    latest = seen

    def heard() -> bool:
        nonlocal latest
        again = observe_site(site, fleet, others, power=False)
        found = {host: view for host, view in again.hosts.items() if view.state is not None}
        latest = replace(seen, hosts={**seen.hosts, **found})
        return any(True for _sign in signs_of_life(latest, node))

    left = seen.observed_at + scaled(PATIENCE_S) - time.time()
    if others and not any(True for _sign in signs_of_life(seen, node)):
        wait_until(heard, max(0.0, left) / scaled(1.0), every=_EVERY_S)
    return latest


def _since(view: HostView, at: float, began: float) -> float | None:
    """Given a moment by a host's clock, return how long after `began` (ours) it was at least; None: not after it.

    A difference of the clocks that the way there and back can explain is none.
    """
    offset, half = view.offset_s or 0.0, view.seconds / 2
    ours = at if abs(offset) <= half else at - offset - half
    return ours - began if ours > began else None
