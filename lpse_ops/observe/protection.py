"""Waiting until a site is protected: the standby streams and the documents agree."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from lpse_ops.observe.judgement import SiteStatus, judge
from lpse_ops.observe.site import observe_site
from lpse_ops.remote import Remote
from lpse_ops.waiting import scaled

if TYPE_CHECKING:
    from lpse_ops.site import Site

EVERY_S = 0.5


def agrees(found: SiteStatus) -> bool:
    """Given the meaning of an observation, return whether database and documents of the standby have caught up.

    The active node itself must know it, too: its clock of being alone has stopped.
    """
    return found.protection == "protected" and found.documents.files == 0 and found.unprotected_since is None


def await_protection(
    site: "Site", fleet: Remote, deadline_s: float, tell: Callable[[SiteStatus], object]
) -> SiteStatus:
    """Given a site and how long to wait without progress, return its status once it is protected, or the last one.

    Progress: the documents or the log that the standby lacks become fewer. `tell` sees every status on the way.
    """
    until = time.monotonic() + scaled(deadline_s)
    least = (float("inf"), float("inf"))
    while True:
        found = judge(site, observe_site(site, fleet, list(site.nodes), power=False))
        tell(found)
        if agrees(found) or time.monotonic() > until:
            return found
        missing = tuple(
            float("inf") if value is None else float(value)
            for value in (found.database.bytes, found.documents.files)
        )
        if missing[0] < least[0] or missing[1] < least[1]:
            until = time.monotonic() + scaled(deadline_s)
            least = (min(least[0], missing[0]), min(least[1], missing[1]))
        time.sleep(EVERY_S)
