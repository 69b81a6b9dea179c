"""The standby keeps up: WAL streams, documents follow, samples are taken. Only where there is a standby."""

import time

from lpse_ops.i18n import _
from lpse_ops.verification.facts import ACTIVE, Host, find

FRESH_S = 30.0
AT_MOST_BEHIND = 64 * 1024 * 1024


def protect() -> str:
    return _("run `lpse-ops protect`.")


def active_of(standby: Host) -> Host:
    """Return the active node of this verification; the tests below are made with it only."""
    found = next((host for host in standby.site.values() if host.role == ACTIVE), None)
    assert found is not None, find(
        standby, _("the active node"), None, _("among the hosts that are verified")
    )
    return found


def sender_of(standby: Host) -> dict[str, object]:
    senders = active_of(standby).see("database", "cluster", "senders")
    return next((sender for sender in senders if sender["name"] == standby.name), {})


def test_streams(pair: Host) -> None:
    found = sender_of(pair).get("state")
    assert found == "streaming", find(
        pair, _("the stream of WAL from the active node"), found, "streaming", protect()
    )


def test_streams_with_tls(pair: Host) -> None:
    found = sender_of(pair).get("tls")
    assert found is True, find(pair, _("TLS of the stream"), found, True, protect())


def test_sync_as_chosen(pair: Host) -> None:
    found = sender_of(pair).get("sync")
    wanted = {"async": {"async"}, "sync": {"sync", "quorum"}}[pair.expected.replication]
    assert found in wanted, find(pair, _("the kind of replication"), found, wanted, protect())


def test_lag(pair: Host) -> None:
    found = sender_of(pair).get("lag_bytes")
    good = found is not None and int(str(found).partition(".")[0]) <= AT_MOST_BEHIND
    assert good, find(pair, _("the lag in bytes"), found, f"<= {AT_MOST_BEHIND}", protect())


def test_slot(pair: Host) -> None:
    active = active_of(pair)
    slots = {slot["name"]: slot for slot in active.see("database", "cluster", "slots")}
    slot = slots.get(pair.name, {})
    found = (slot.get("active"), slot.get("status"))
    what = _("the replication slot of %(node)s") % {"node": pair.name}
    assert found in {(True, "reserved"), (True, "extended")}, find(
        active, what, found, _("active, reserved"), protect()
    )
    idle = [name for name, each in slots.items() if not each["active"]]
    todo = _("an unused slot keeps WAL until the disk is full; drop it.")
    assert not idle, find(active, _("the list of unused slots"), idle, None, todo)


def test_receives(standby: Host) -> None:
    receiver = standby.see("database", "cluster", "receiver") or {}
    found = (receiver.get("status"), receiver.get("slot"))
    assert found == ("streaming", standby.name), find(
        standby, _("the WAL receiver"), found, f"streaming, {standby.name}"
    )


def test_receives_safely(standby: Host) -> None:
    text = str(standby.see("database", "cluster", "primary_conninfo"))
    good = any(f"sslmode={mode}" in text.replace("'", "") for mode in ("require", "verify-ca", "verify-full"))
    assert good, find(standby, "primary_conninfo", text, "sslmode=verify-ca", protect())
    assert "password=" not in text, find(
        standby, "primary_conninfo", _("with a password"), "passfile", protect()
    )


def test_replay_goes_on(standby: Host) -> None:
    found = standby.see("database", "cluster", "replay_paused")
    todo = _("run `SELECT pg_wal_replay_resume()` there.")
    assert found is False, find(standby, _("replay"), _("paused"), _("going on"), todo)


def test_follower_runs(standby: Host) -> None:
    found = standby.see("guard", "units", "lpse-follow", "ActiveState")
    assert found == "active", find(standby, "lpse-follow.service", found, "active", protect())


def test_samples_are_fresh(watcher: Host) -> None:
    samples = watcher.see("guard", "observe", "samples") or []
    good = [float(sample["time"]) for sample in samples if sample.get("ok")]
    here = time.time() + watcher.see("clock_offset", "offset_s")
    what, wanted = _("the age of the last good sample in seconds"), f"<= {FRESH_S}"
    assert good, find(watcher, what, None, wanted, protect())
    found = round(here - max(good), 1)
    assert found <= FRESH_S, find(watcher, what, found, wanted, protect())


def test_sampler_runs(sampler: Host) -> None:
    found = sampler.see("guard", "units", "lpse-sample", "ActiveState")
    assert found == "active", find(sampler, "lpse-sample.service", found, "active", protect())
