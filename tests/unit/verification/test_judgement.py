"""What the suite works out from reports: roles from the newest record, what a firewall lets in, weak passwords."""

import base64
import hashlib
import hmac
from typing import Any

import pytest

from lpse_ops.verification.expected import Expected
from lpse_ops.verification.facts import ACTIVE, CLOSED, KINDS, REPOSITORY, STANDBY, Host, hosts_of
from lpse_ops.verification.firewall import accepts
from lpse_ops.verification.probe.database import _scram_matches


def report(epoch: int | None, active: str = "node1", standby: bool = False) -> dict[str, Any]:
    record = None if epoch is None else {"site": "lab", "epoch": epoch, "active": active}
    return {
        "guard": {
            "record": {"state": "ok", "record": record},
            "observe": {},
            "lock2": {"standby_signal": standby},
        }
    }


def test_roles_follow_the_newest_record(expected: Expected) -> None:
    reports = {"node1": report(1, "node1"), "node2": report(2, "node2"), "repository": report(2, "node2")}
    roles = {host.name: host.role for host in hosts_of(expected, reports).values()}
    assert roles == {"node1": CLOSED, "node2": ACTIVE, "repository": REPOSITORY}


def test_a_standby_has_the_data_of_one(expected: Expected) -> None:
    reports = {"node1": report(1), "node2": report(1, standby=True)}
    assert hosts_of(expected, reports)["node2"].role == STANDBY


def test_without_a_record_nothing_may_be_open(expected: Expected) -> None:
    reports = {"node1": report(None), "node2": {"guard": {"error": "no"}}}
    assert {host.role for host in hosts_of(expected, reports).values()} == {CLOSED}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("host", ["node1", "node2", "repository"]),
        ("active", ["node1"]),
        ("shut", ["node2"]),
        ("pair", ["node2"]),
        ("watcher", ["node2", "repository"]),
        ("closed", []),
    ],
)
def test_kinds_of_hosts(expected: Expected, kind: str, names: list[str]) -> None:
    reports = {"node1": report(1), "node2": report(1, standby=True), "repository": report(1)}
    assert [host.name for host in hosts_of(expected, reports).values() if KINDS[kind](host)] == names


def test_an_unseen_fact_is_a_sentence_with_its_reason(expected: Expected) -> None:
    host = Host("node1", "127.0.0.21", ACTIVE, {"database": {"error": "psql: no"}}, expected)
    with pytest.raises(AssertionError, match=r"node1: database.cluster could not be seen \(psql: no\)"):
        host.see("database", "cluster")


def rule(*expressions: dict[str, Any]) -> dict[str, Any]:
    return {"rule": {"table": "lpse", "chain": "input", "expr": [*expressions, {"accept": None}]}}


def match(field: str, right: Any) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": "x", "field": field}}, "right": right}}


def chain(policy: str) -> dict[str, Any]:
    return {"chain": {"table": "lpse", "name": "input", "hook": "input", "policy": policy}}


def test_firewall_in_words() -> None:
    network = {"prefix": {"addr": "198.51.100.0", "len": 24}}
    found = accepts(
        [
            chain("drop"),
            {"set": {"name": "ssh_from4", "elem": [network, "192.0.2.7"]}},
            rule({"match": {"left": {"meta": {"key": "iif"}}, "right": "lo"}}),
            rule(match("dport", {"set": [443]})),
            rule(match("dport", 22), match("saddr", "@ssh_from4")),
            rule(match("dport", {"set": [22, 5432]}), match("saddr", "198.51.100.12")),
        ]
    )
    assert found.policy == "drop"
    assert found.for_all == {443}
    assert found.ssh_from == {"198.51.100.0/24", "192.0.2.7", "198.51.100.12"}


def test_firewall_that_lets_all_in() -> None:
    assert accepts([]).policy == "accept"
    assert accepts([chain("accept"), rule(match("dport", 8080))]).for_all == {8080}


def test_default_password_is_recognised_without_leaving_the_host() -> None:
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", b"epns", salt, 4096)
    key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    stored = f"SCRAM-SHA-256$4096:{base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}:unused"
    assert _scram_matches(stored, "epns")
    assert not _scram_matches(stored, "another")
