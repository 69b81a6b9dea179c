"""What an observation means: protection, lags, and every reason why a person is wanted."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lpse_ops.observe.facts import NodeState
from lpse_ops.observe.judgement import SiteStatus, duration, judge
from lpse_ops.observe.power import Power, PowerReading
from lpse_ops.observe.protection import agrees
from lpse_ops.observe.site import HostView, SiteObservation
from lpse_ops.site import Site
from tests.support.observed import NOW, bent, host


def site(replication: str = "async") -> Site:
    nodes = {"node1": None, "node2": None}
    return cast(
        Site,
        SimpleNamespace(
            nodes=nodes,
            other=lambda node: "node2" if node == "node1" else "node1",
            policy=SimpleNamespace(rpo_s=60, max_clock_offset_s=1.0),
            time_zone="Asia/Jakarta",
            replication=replication,
        ),
    )


def seen(*hosts: dict[str, Any], power: Power = "on", without: tuple[str, ...] = ()) -> SiteObservation:
    said = {data["node"]: data for data in (host("node1"), host("node2"), host("repository"), *hosts)}
    views = {name: HostView(name, NodeState.parse(data, name), 0.1, 0.0) for name, data in said.items()}
    for name in without:
        views[name] = HostView(name, None, error="no route to it")
    readings = {node: PowerReading(node, power, NOW, 0.1) for node in ("node1", "node2")}
    return SiteObservation(NOW, 0.2, views, readings)


def meaning(*hosts: dict[str, Any], **more: Any) -> SiteStatus:
    return judge(site(), seen(*hosts, **more))


def test_a_healthy_site_wants_nobody() -> None:
    found = meaning()
    assert found.reasons == ()
    assert (found.active, found.standby, found.protection) == ("node1", "node2", "protected")
    assert (found.database.bytes, found.database.seconds) == (0, 0.0)
    assert (found.documents.files, found.documents.seconds) == (0, 0.0)
    assert found.samples == {"node2": 1.0, "repository": 1.0}
    assert agrees(found)


def test_roles_follow_the_record_and_not_the_names() -> None:
    record = host("node1")["record"] | {"epoch": 2, "active": "node2"}
    found = meaning(*(bent(name, "record", record) for name in ("node1", "node2", "repository")))
    assert (found.active, found.standby) == ("node2", "node1")


@pytest.mark.parametrize(
    ("name", "path", "value", "words"),
    [
        ("node2", "database.receiver", None, "does not stream"),
        ("node2", "database.running", False, "standby node2 is not running"),
        ("node2", "database.in_recovery", False, "open for writes"),
        ("node2", "database.in_recovery", None, "standby node2 runs, but answers no query"),
        ("node1", "database.in_recovery", None, "active node node1 runs, but answers no query"),
        ("repository", "disk.free_mb", 0, "Only 0 MB are free on / of repository."),
        ("node2", "database.replay_paused", True, "paused"),
        ("node2", "database.system_id", "999", "different histories"),
        ("node2", "documents.follower", None, "do not follow"),
        ("node2", "documents.follower.state", "waiting", "do not follow to node2 (waiting)"),
        ("node2", "documents.follower.last_pass", NOW - 60, "is 60 s old"),
        ("node2", "documents.follower.lag_s", 61.0, "61 s behind"),
        ("node2", "application.state", "active", "run twice"),
        ("node2", "address.held", True, "holds the service address"),
        ("node2", "proxy.open", True, "proxy of the standby"),
        ("node2", "guard.state", "superseded", "superseded"),
        ("node2", "samples", [], "no fresh sample"),
        ("repository", "samples", [], "repository has no fresh sample"),
        ("node1", "database.in_recovery", True, "read-only"),
        ("node1", "database.running", False, "active node node1 is not running"),
        ("node1", "application.ready", False, "application on node1 is not ready"),
        ("node1", "address.held", False, "does not hold the service address"),
        ("node1", "proxy.open", False, "notice page"),
        ("node1", "guard.state", "holding", "guard of the active node node1 is holding"),
        ("node1", "record.witnessed", False, "unwitnessed"),
        ("node2", "record", None, "node2 has no epoch record"),
        ("repository", "record.epoch", 2, "epoch 2 is valid"),
        ("node1", "zone", "Etc/UTC", "time zone of node1"),
    ],
)
def test_each_fault_is_a_reason(name: str, path: str, value: object, words: str) -> None:
    found = meaning(bent(name, path, value))
    assert any(words in reason for reason in found.reasons), found.reasons


@pytest.mark.parametrize("without", ["node1", "node2", "repository"])
def test_a_host_that_is_not_seen_is_named_with_the_reason(without: str) -> None:
    found = meaning(without=(without,))
    assert found.unseen == {without: "no route to it"}
    assert f"{without}: no route to it" in found.reasons
    assert found.protection == ("protected" if without == "repository" else "unknown")


def test_a_node_without_power_is_a_reason() -> None:
    assert "The active node node1 has no power." in meaning(power="off").reasons


def test_a_clock_that_is_off_is_a_reason() -> None:
    observed = seen()
    views = dict(observed.hosts) | {"node2": HostView("node2", observed.hosts["node2"].state, 0.1, -7200.0)}
    found = judge(site(), SiteObservation(NOW, 0.2, views, observed.power))
    assert any("clock of node2" in reason for reason in found.reasons)


def test_synchronous_replication_needs_both_to_be_waited_for() -> None:
    found = judge(site("sync"), seen())
    assert any("do not wait for node2" in reason for reason in found.reasons)
    assert any("do not wait for documents" in reason for reason in found.reasons)
    assert found.protection == "unprotected"
    links = [
        host("node1")["database"]["standbys"][0] | {"name": name, "sync_state": "sync"}
        for name in ("node2", "documents")
    ]
    assert judge(site("sync"), seen(bent("node1", "database.standbys", links))).reasons == ()


def test_a_lag_in_bytes_has_seconds_too() -> None:
    link = host("node1")["database"]["standbys"][0] | {"lag_bytes": 4096}
    found = meaning(
        bent("node1", "database.standbys", [link]), bent("node2", "database.last_commit", NOW - 9)
    )
    assert (found.database.bytes, found.database.seconds) == (4096, 7.0)


def test_a_follower_that_cannot_look_grows_older() -> None:
    data = bent("node2", "documents.follower.state", "waiting")
    data["documents"]["follower"]["last_pass"] = NOW - 120
    found = meaning(data)
    assert found.documents.seconds == 120.0
    assert not agrees(found)


def test_a_site_nobody_can_see_is_unknown() -> None:
    found = meaning(without=("node1", "node2", "repository"))
    assert found.active is None
    assert found.protection == "unknown"
    assert len(found.unseen) == 3


ALONE = {"since": NOW - 3 * 3600 - 12 * 60, "reason": "no standby streams"}


def test_the_clock_of_being_alone_is_told() -> None:
    found = meaning(bent("node1", "unprotected", ALONE))
    assert found.unprotected_since == ALONE["since"]
    assert any("for 3 h 12 min" in reason and "no standby streams" in reason for reason in found.reasons)
    assert not agrees(found)
    # What a node knows that is not the active one does not count.
    assert meaning(bent("node2", "unprotected", ALONE)).unprotected_since is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "0 s"), (8.9, "8 s"), (60, "1 min"), (250, "4 min 10 s"), (3605, "1 h"), (97200, "1 d 3 h")],
)
def test_durations_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def after_failover(**old: Any) -> SiteStatus:
    """node2 is active on timeline 2; node1 came back with its old data."""
    record = host("node1")["record"] | {"epoch": 2, "active": "node2"}
    new = bent("node2", "record", record)
    new["database"] |= {
        "in_recovery": False,
        "timeline": 2,
        "history": [{"timeline": 1, "until": "0/3000000"}],
        "receiver": None,
    }
    back = host("node1")
    back["guard"] = {"state": "superseded", "open": False, "reason": "this node was active in epoch 1"}
    back["database"] |= {"running": False, "in_recovery": None, "lsn": None, "checkpoint": "0/2000000"} | old
    return meaning(back, new, bent("repository", "record", record))


def test_what_only_the_old_node_holds_is_pointed_out() -> None:
    assert any(
        "96 bytes of log that node2 never had" in r for r in after_failover(checkpoint="0/3000060").reasons
    )
    unsure = after_failover()
    assert any("node1 may hold what node2 never had" in reason for reason in unsure.reasons)
    assert not any("never had" in reason for reason in meaning().reasons)


def test_an_unwitnessed_epoch_wants_a_person() -> None:
    found = meaning(
        *(bent(name, "record", host(name)["record"] | {"witnessed": False}) for name in ("node1", "node2"))
    )
    assert any("Epoch 1 is unwitnessed" in reason for reason in found.reasons)
