"""Life behind a network fault: other hosts are asked again until they must have heard a living node."""

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lpse_ops.observe import life
from lpse_ops.observe.facts import NodeState
from lpse_ops.observe.life import look_for_life, signs_of_life
from lpse_ops.observe.site import HostView, SiteObservation, observe_site
from lpse_ops.remote.fake import FakeFleet
from lpse_ops.site import Site
from tests.support.observed import host, sample

SITE = cast(
    Site,
    SimpleNamespace(
        hosts={"node1": "a", "node2": "b", "repository": "c"},
        nodes={name: SimpleNamespace(has_power_switch=True) for name in ("node1", "node2")},
    ),
)


def said(name: str, sampled_at: float) -> dict[str, Any]:
    data = host(name) | {"time": time.time(), "samples": [sample() | {"time": sampled_at}]}
    if data["database"]:
        data["database"]["received_at"] = None
    return data


def seen() -> SiteObservation:
    """node1 is not to be seen; the others had heard it a second before the look began."""
    now = time.time()
    views = {"node1": HostView("node1", None, error="no answer")}
    for name in ("node2", "repository"):
        views[name] = HostView(name, NodeState.parse(said(name, now - 1), name), offset_s=0.0)
    return SiteObservation(now, 0.1, views)


def test_a_fresh_sample_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "_EVERY_S", 0.01)
    fleet = FakeFleet(dead={"node1"})
    fleet.script("node2", "observe", *[said("node2", time.time() - 1)] * 3)
    stale, fresh = said("repository", time.time() - 1), said("repository", time.time() + 1)
    fleet.script("repository", "observe", stale, fresh)
    found = look_for_life(SITE, fleet, seen(), "node1")
    assert len(fleet.verbs("repository")) == 2
    assert fleet.verbs("node1") == []
    (sign,) = signs_of_life(found, "node1")
    assert sign.startswith("repository reached node1")


def test_nothing_heard_ends_after_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "PATIENCE_S", 0.2)
    monkeypatch.setattr(life, "_EVERY_S", 0.05)
    fleet = FakeFleet(dead={"node1"})
    fleet.script("node2", "observe", said("node2", time.time() - 1))
    fleet.script("repository", "observe", said("repository", time.time() - 1))
    found = look_for_life(SITE, fleet, seen(), "node1")
    assert len(fleet.verbs("node2")) >= 2
    assert list(signs_of_life(found, "node1")) == []


def test_life_that_was_seen_already_is_not_asked_for_again() -> None:
    observed = seen()
    lively = HostView("node2", NodeState.parse(said("node2", observed.observed_at + 1), "node2"))
    observed = SiteObservation(observed.observed_at, 0.1, {**observed.hosts, "node2": lively})
    fleet = FakeFleet()
    assert look_for_life(SITE, fleet, observed, "node1") is observed
    assert fleet.calls == []


@pytest.mark.parametrize("answers", [True, False])
def test_a_node_whose_power_reads_off_is_waited_for_only_if_it_answers(
    monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    """A BMC can say off while the host is up: then what the host says must be heard."""
    reading = SimpleNamespace(node="node1", state="off", error=None)
    monkeypatch.setattr(
        "lpse_ops.observe.site.reading",
        lambda _site, node, **_rest: cast(Any, SimpleNamespace(**{**vars(reading), "node": node})),
    )
    fleet = FakeFleet(dead=set() if answers else {"node1"})
    for name in ("node1", "node2", "repository"):
        fleet.script(name, "observe", host(name))
    found = observe_site(SITE, fleet)
    assert found.hosts["node1"].reached is answers
    assert (found.state("node1") is not None) is answers
