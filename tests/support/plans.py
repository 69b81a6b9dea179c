"""A sample plan of every procedure, built by the procedure itself from what healthy hosts say."""

import functools
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from lpse_ops.observe.site import SiteObservation
from lpse_ops.plan import Plan
from lpse_ops.procedures import failover
from lpse_ops.procedures.choice import Choice
from lpse_ops.site import Site, load_site
from tests.faults.scenarios import SCENARIOS
from tests.support.inventory import make_inventory

RECORD = {"site": "example", "system_id": "7", "epoch": 2, "active": "node2", "witnessed": True}


def _failover(site: Site) -> list[Plan]:
    seen = cast(SiteObservation, SimpleNamespace(observed_at=1.0, unseen=dict, power={}, hosts={}))
    word = {"words": "the head of the office saw it burnt", "by": "ani@here:1", "attested_at": 1.0}
    return [
        failover.build(site, Choice("node1", "node2", dict(RECORD)), seen, {}),
        failover.build(site, Choice("node1", "node2", dict(RECORD), attested=True), seen, {"attest": word}),
        failover.build(
            site,
            Choice("node1", "node2", RECORD | {"witnessed": False}),
            seen,
            {"unwitnessed": "it burnt, too"},
        ),
    ]


SAMPLES: dict[str, Any] = {"failover": _failover}
"""Of every procedure, how to build its plans from a site."""


def sample_site(folder: Path) -> Site:
    """Given an empty folder, make an inventory in it and return its site; its hosts are named as a lab's."""
    inventory = make_inventory(folder)
    hosts = inventory / "hosts.yml"
    hosts.write_text(hosts.read_text().replace("repository1", "repository"))
    return load_site(inventory, inventory / ".vault-password")


@functools.cache
def sample_steps() -> dict[str, list[dict[str, Any]]]:
    """Return the steps of each scenario's plan, as ``failover --plan`` would tell them, without a lab."""
    with tempfile.TemporaryDirectory() as folder:
        site = sample_site(Path(folder) / "office")
        plans = {name: build(site) for name, build in SAMPLES.items()}
    return {
        scenario.name: plans[scenario.procedure][scenario.variant].to_json()["steps"]
        for scenario in SCENARIOS
    }
