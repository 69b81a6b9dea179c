"""A sample plan of every procedure, built by the procedure itself from what healthy hosts say."""

from types import SimpleNamespace
from typing import Any, cast

from lpse_ops.observe.site import SiteObservation
from lpse_ops.plan import Plan
from lpse_ops.procedures import failover
from lpse_ops.procedures.choice import Choice
from lpse_ops.site import Site

RECORD = {"site": "example", "system_id": "7", "epoch": 2, "active": "node2", "witnessed": True}


def _failover(site: Site) -> list[Plan]:
    seen = cast(SiteObservation, SimpleNamespace(observed_at=1.0, unseen=dict, power={}, hosts={}))
    return [failover.build(site, Choice("node1", "node2", dict(RECORD)), seen, {})]


SAMPLES: dict[str, Any] = {"failover": _failover}
