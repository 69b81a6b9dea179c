"""`lpse-ops protect` and `lpse-ops status` in a lab: what follows, what is refused, what is seen."""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from lpse_ops.lab.lab import Lab
from lpse_ops.waiting import scaled, wait_until
from tests.lab.conftest import lpse_ops

TREE = "/home/file/file_prod"
ACTIVE, STANDBY = "node1", "node2"


def status(lab: Lab) -> tuple[int, dict[str, Any]]:
    done = lpse_ops(lab, "status", "--output", "json", seconds=60)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def shell(lab: Lab, host: str, text: str) -> str:
    done = lab.run(host, ["sh", "-ec", text])
    assert done.returncode == 0, (host, text, done.stdout, done.stderr)
    return str(done.stdout).strip()


def sql(lab: Lab, host: str, text: str) -> str:
    return shell(lab, host, f'cd /; runuser -u postgres -- psql -XAtq -d epns_prod -c "{text}"')


def becomes(what: Callable[[], object], seconds: float = 20) -> None:
    assert wait_until(what, seconds, every=0.3)


def samples(lab: Lab, host: str) -> int:
    return int(shell(lab, host, "wc -l < /var/lib/lpse-ops/samples.jsonl"))


def grew(lab: Lab, host: str, lines: int) -> bool:
    return samples(lab, host) >= lines


def healthy(lab: Lab) -> bool:
    return status(lab)[0] == 0


def test_status_of_a_protected_site(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    becomes(lambda: healthy(lab), 60)
    # Between two commits the log moves a little, and no commit tells how long ago.
    becomes(lambda: status(lab)[1]["database"] == {"bytes": 0, "seconds": 0.0}, 60)
    code, seen = status(lab)
    assert (code, seen["reasons"], seen["unseen"]) == (0, [], {})
    assert (seen["active"], seen["standby"], seen["protection"]) == (ACTIVE, STANDBY, "protected")
    assert seen["record"]["epoch"] == 1
    assert set(seen["database"]) == {"bytes", "seconds"}
    assert seen["documents"] == {"files": 0, "bytes": 0, "seconds": 0.0}
    assert set(seen["samples"]) == {STANDBY, "repository"}
    assert all(age < scaled(10) for age in seen["samples"].values())
    assert {node: reading["state"] for node, reading in seen["power"].items()} == {
        ACTIVE: "on",
        STANDBY: "on",
    }
    text = lpse_ops(lab, "status").stdout
    assert "Protected" in text
    assert "streaming" in text


def test_the_standby_streams_by_its_own_slot_over_tls(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    slot = "select slot_name, active from pg_replication_slots"
    assert sql(lab, ACTIVE, slot) == "node2|t"
    encrypted = (
        "select ssl from pg_stat_ssl join pg_stat_replication using (pid) where application_name = 'node2'"
    )
    assert sql(lab, ACTIVE, encrypted) == "t"
    assert sql(lab, STANDBY, "select pg_is_in_recovery()") == "t"
    secrets = ("replication/pgpass", "reader/pgpass", "reader/id_ed25519")
    mode = f"cd /etc/lpse-ops; stat -c '%U %a' {' '.join(secrets)}"
    assert shell(lab, STANDBY, mode).splitlines() == ["postgres 600", "spse 600", "spse 600"]


def test_application_and_public_are_away_from_the_standby(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    assert shell(lab, STANDBY, "systemctl is-active spse@production || true") == "inactive"
    assert shell(lab, STANDBY, "test ! -e /run/lpse/serving && echo closed") == "closed"
    assert shell(lab, STANDBY, "ss -Hltn 'sport = :9090'") == ""
    assert shell(lab, ACTIVE, "systemctl is-active lpse-follow || true") == "inactive"
    refused = lab.run(
        STANDBY, ["psql", "-h", "127.0.0.1", "-U", "epns", "-c", "create table x()", "epns_prod"]
    )
    assert refused.returncode != 0


def test_documents_arrive_within_seconds_under_load(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    write = "head -c 20000 /dev/urandom > load/$((n % 2))/$n.rhs"
    load = f"cd {TREE}; mkdir -p load/0 load/1; for n in $(seq 400); do {write}; done"
    load = f"runuser -u spse -- sh -ec '{load}'"
    began = time.monotonic()
    shell(lab, ACTIVE, load)
    ended = time.monotonic()
    count = f"find {TREE}/load -type f -name '*.rhs' | wc -l"
    becomes(lambda: shell(lab, STANDBY, count) == "400", 10)
    assert time.monotonic() - ended < scaled(5) + (ended - began)
    sums = (
        f"cd {TREE}; find load -type f | sort | xargs sha256sum | sha256sum; "
        "find load -type f -printf '%p %u %g %m %T@\\n' | sort"
    )
    assert shell(lab, ACTIVE, sums) == shell(lab, STANDBY, sums)


def test_nothing_is_deleted_on_the_standby(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    shell(lab, ACTIVE, f"runuser -u spse -- sh -c 'echo keep > {TREE}/keep.rhs'")
    becomes(lambda: lab.run(STANDBY, ["test", "-s", f"{TREE}/keep.rhs"]).returncode == 0)
    shell(lab, ACTIVE, f"rm {TREE}/keep.rhs; runuser -u spse -- sh -c 'echo more > {TREE}/more.rhs'")
    becomes(lambda: lab.run(STANDBY, ["test", "-s", f"{TREE}/more.rhs"]).returncode == 0)
    assert shell(lab, STANDBY, f"cat {TREE}/keep.rhs") == "keep"


def test_the_account_that_shows_documents_does_nothing_else(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    reach = (
        "runuser -u spse -- ssh -F /dev/null -o BatchMode=yes -o UserKnownHostsFile=/etc/lpse-ops/reader/known_hosts "
        "-i /etc/lpse-ops/reader/id_ed25519 lpse-documents@198.51.100.11 "
    )
    told = shell(lab, STANDBY, f"cd /; echo '{{\"op\":\"stat\"}}' | {reach} 'rm -rf {TREE}'")
    assert json.loads(told)["count"] > 0
    for name in ("../../../etc/passwd", "/etc/shadow"):
        request = json.dumps({"op": "get", "n": name, "len": 100}).replace('"', '\\"')
        assert "outside" in shell(lab, STANDBY, f'cd /; echo "{request}" | {reach}')


def test_samples_are_kept_on_standby_and_repository(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    for host in (STANDBY, "repository"):
        mode = shell(lab, host, "stat -c '%a %U' /var/lib/lpse-ops/samples.jsonl")
        assert mode.startswith("640 ")
        before = samples(lab, host)
        assert wait_until(partial(grew, lab, host, before + 2), 20)
        last = json.loads(shell(lab, host, "tail -n 1 /var/lib/lpse-ops/samples.jsonl"))
        assert last["ok"], last
        assert last["active"] == ACTIVE
        assert last["documents"]["count"] == int(
            shell(lab, ACTIVE, f"find {TREE} -type f ! -name '.*' | wc -l")
        )


def test_a_second_run_changes_nothing(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    done = lpse_ops(lab, "protect", "--output", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["changed"] in ({}, dict.fromkeys((ACTIVE, STANDBY, "repository"), 0))
    checked = lpse_ops(lab, "protect", "--check", "--output", "json")
    assert checked.returncode == 0, checked.stderr
    assert not any(json.loads(checked.stdout)["changed"].values())


@pytest.mark.one_release
def test_a_cut_between_the_nodes_is_named(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    gone = ("does not stream", "do not follow")
    becomes(lambda: healthy(lab), 60)
    lab.partition(ACTIVE, STANDBY)
    try:
        # Streams and documents are noticed to be gone each in its own time.
        becomes(lambda: all(words in str(status(lab)[1]["reasons"]) for words in gone), 60)
        code, seen = status(lab)
        assert (code, seen["protection"]) == (8, "unprotected")
        assert seen["samples"]["repository"] < scaled(10)
    finally:
        lab.heal()
    becomes(lambda: healthy(lab), 60)


@pytest.mark.one_release
def test_a_host_that_is_cut_off_is_named_with_the_reason(protected_lab_of_module: Lab) -> None:
    lab = protected_lab_of_module
    lab.partition(STANDBY, "controller")
    try:
        code, seen = status(lab)
        assert code == 8
        assert list(seen["unseen"]) == [STANDBY]
        assert "does not answer" in seen["unseen"][STANDBY]
        assert seen["protection"] == "unknown"
        done = lpse_ops(lab, "protect", seconds=120)
        assert done.returncode == 3
        assert STANDBY in done.stderr
    finally:
        lab.heal()


@pytest.mark.one_release
def test_an_interrupted_copy_is_made_anew_and_the_rest_is_kept(protected_lab: Lab) -> None:
    lab = protected_lab
    data = shell(lab, STANDBY, ". /etc/lpse-ops/node.conf; echo $PG_DATA")
    shell(
        lab,
        STANDBY,
        f"systemctl stop lpse-follow {'postgresql@*'}; rm {data}/standby.signal; "
        f"install -d -o postgres -m 700 {data}.incoming; echo half > {data}.incoming/PG_VERSION",
    )
    refused = lpse_ops(lab, "protect")
    assert refused.returncode == 3, refused.stderr
    assert "--replace node2" in refused.stderr
    wrong = lpse_ops(lab, "protect", "--replace", "node1", "--yes")
    assert wrong.returncode == 3, wrong.stderr
    done = lpse_ops(lab, "protect", "--replace", "node2", "--yes")
    assert done.returncode == 0, done.stderr
    assert (
        shell(lab, STANDBY, f"ls -d {data}.superseded-* | wc -l; test ! -e {data}.incoming && echo gone")
        == "1\ngone"
    )
    becomes(lambda: healthy(lab), 60)


def test_status_of_a_site_that_is_not_protected(provisioned_lab: Lab) -> None:
    code, seen = status(provisioned_lab)
    assert code == 8
    assert seen["active"] == ACTIVE
    assert seen["protection"] != "protected"
    assert any("has no fresh sample" in reason for reason in seen["reasons"])


@pytest.mark.one_release
@pytest.mark.parametrize("words", [["protect", "--replace", "node9"], ["protect", "--replace", "repository"]])
def test_what_is_no_node_is_refused(provisioned_lab_of_module: Lab, words: list[str]) -> None:
    assert lpse_ops(provisioned_lab_of_module, *words).returncode == 2
