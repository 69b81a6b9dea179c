"""What an observation means: which node is active, how far the standby lags, what wants a person.

Pure, no I/O.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lpse_ops.i18n import _
from lpse_ops.observe.divergence import beyond
from lpse_ops.observe.facts import Follower, NodeState, Record, Unprotected
from lpse_ops.observe.site import SiteObservation

if TYPE_CHECKING:
    from lpse_ops.site import Site

SAMPLE_AGE_S = 10.0
PASS_AGE_S = 10.0
LOW_DISK_MB = 1024  # room for one upload of the 800 MB that the proxy lets through (field guide, section 3)


@dataclass(frozen=True)
class DatabaseLag:
    """How far the standby's database is behind: bytes of log not on its disk, seconds between last
    commits."""

    bytes: int | None
    seconds: float | None


@dataclass(frozen=True)
class DocumentsLag:
    """How far the standby's documents are behind: files and bytes missing, age of the oldest in seconds."""

    files: int | None
    bytes: int | None
    seconds: float | None


@dataclass(frozen=True)
class SiteStatus:
    """The meaning of an observation.

    `active` and `standby` are names of nodes (None: no voter could say). `protection` is ``protected``,
    ``unprotected`` or ``unknown``. `reasons` is what wants a person, empty when all is well; `unseen` what
    could not be seen, and why. `samples` holds the age of each sampler's last good sample in seconds (None:
    it has none). `unprotected_since`: since when the active node is alone with its writes, by its own clock (None: it
    is not, or it could not be seen).
    """

    record: Record | None
    active: str | None
    standby: str | None
    protection: str
    database: DatabaseLag
    documents: DocumentsLag
    samples: Mapping[str, float | None]
    reasons: tuple[str, ...]
    unseen: Mapping[str, str]
    unprotected_since: float | None = None


def judge(site: "Site", seen: SiteObservation) -> SiteStatus:
    """Given a site and an observation of it, return what it means."""
    record = _highest(seen)
    active = record.active if record else None
    standby = site.other(active) if active in site.nodes and active else None
    gaps = list(_gaps(site, seen, active, standby))
    reasons = [
        *(f"{what}: {why}" for what, why in seen.unseen().items()),
        *_records(site, seen, record),
        *(_active(site, seen, active) if active else ()),
        *(_standby(site, seen, standby) if standby else ()),
        *gaps,
        *_unprotected(seen, active),
        *_diverged(seen, active, standby),
        *_disks(seen),
        *_clocks(site, seen),
    ]
    samples = _samples(seen, active)
    reasons += [
        _("%(host)s has no fresh sample of the active node (last: %(age)s).")
        % {"host": host, "age": _("never") if age is None else _("%(s).0f s ago") % {"s": age}}
        for host, age in samples.items()
        if age is None or age > SAMPLE_AGE_S
    ]
    return SiteStatus(
        record,
        active,
        standby,
        _protection(seen, active, standby, gaps),
        _database_lag(seen, active, standby),
        _documents_lag(seen, standby),
        samples,
        tuple(dict.fromkeys(reasons)),
        seen.unseen(),
        since.since if (since := _alone(seen, active)) else None,
    )


def _highest(seen: SiteObservation) -> Record | None:
    records = [view.state.record for view in seen.hosts.values() if view.state and view.state.record]
    return max(records, key=lambda record: record.epoch, default=None)


def _state(seen: SiteObservation, host: str | None) -> NodeState | None:
    return seen.state(host) if host else None


def _follower(state: NodeState | None) -> Follower | None:
    return state.documents.follower if state and state.documents else None


def _records(site: "Site", seen: SiteObservation, highest: Record | None) -> Iterator[str]:
    if highest is None:
        yield _("No host shows an epoch record: the site is not provisioned, or no voter could be seen.")
        return
    if highest.witnessed is False:
        yield _(
            "Epoch %(epoch)s is unwitnessed: the repository has not confirmed it. It does so by itself once it and "
            "%(active)s see each other, or with `lpse-ops protect`; until then keep the old active node without power."
        ) % {"epoch": highest.epoch, "active": highest.active}
    for name, view in seen.hosts.items():
        if view.state is None:
            continue
        own = view.state.record
        if own is None:
            yield _("%(host)s has no epoch record.") % {"host": name}
        elif (own.epoch, own.active) != (highest.epoch, highest.active):
            yield _(
                "%(host)s has the record of epoch %(own)s (%(active)s active); epoch %(epoch)s is valid."
            ) % {
                "host": name,
                "own": own.epoch,
                "active": own.active,
                "epoch": highest.epoch,
            }


def _active(site: "Site", seen: SiteObservation, active: str) -> Iterator[str]:
    power = seen.power.get(active)
    if power is not None and power.state == "off":
        yield _("The active node %(node)s has no power.") % {"node": active}
    state = seen.state(active)
    if state is None:
        return
    at = {"node": active}
    if state.guard and state.guard.state not in ("active", "released"):
        yield _("The guard of the active node %(node)s is %(state)s: %(reason)s") % (
            at | {"state": state.guard.state, "reason": state.guard.reason}
        )
    faults = list(_not_serving(state, at))
    yield from faults
    if faults and state.guard and state.guard.state in ("active", "released"):
        yield _("The guard of %(node)s says: %(reason)s") % (at | {"reason": state.guard.reason})


def _not_serving(state: NodeState, at: Mapping[str, str]) -> Iterator[str]:
    """Yield what keeps the active node from serving."""
    database = state.database
    if database is None or not database.running:
        yield _("The database of the active node %(node)s is not running.") % at
    elif database.in_recovery is None:
        yield _("The database of the active node %(node)s runs, but answers no query.") % at
    elif database.in_recovery:
        yield _("The database of the active node %(node)s is read-only.") % at
    if state.application is None or not state.application.ready:
        yield _("The application on %(node)s is not ready.") % at
    if state.address is None or not state.address.held:
        yield _("The active node %(node)s does not hold the service address.") % at
    if state.proxy is None or not state.proxy.running:
        yield _("The web proxy on %(node)s is not running.") % at
    elif not state.proxy.open:
        yield _("The web proxy on %(node)s shows the notice page.") % at


def _standby(site: "Site", seen: SiteObservation, standby: str) -> Iterator[str]:
    power = seen.power.get(standby)
    if power is not None and power.state == "off":
        yield _("The standby %(node)s has no power.") % {"node": standby}
    state = seen.state(standby)
    if state is None:
        return
    at = {"node": standby}
    if state.application and state.application.state in ("active", "activating"):
        yield _("The application runs on the standby %(node)s: its scheduled jobs run twice.") % at
    if state.address and state.address.held:
        yield _("The standby %(node)s holds the service address.") % at
    if state.proxy and state.proxy.open:
        yield _("The web proxy of the standby %(node)s is open.") % at
    if state.guard and state.guard.state not in ("standby", "none"):
        yield _("The guard of %(node)s is %(state)s: %(reason)s") % (
            at | {"state": state.guard.state, "reason": state.guard.reason}
        )


def _gaps(site: "Site", seen: SiteObservation, active: str | None, standby: str | None) -> Iterator[str]:
    """Yield why the site is not protected, as far as it was seen."""
    here = _state(seen, standby)
    if here is None or standby is None:
        return
    at = {"node": standby}
    database = here.database
    if database is None or not database.running:
        yield _("The database of the standby %(node)s is not running.") % at
    elif database.in_recovery is None:
        yield _("The database of the standby %(node)s runs, but answers no query.") % at
    elif not database.in_recovery:
        yield _("The database of the standby %(node)s is open for writes.") % at
    else:
        if database.receiver != "streaming":
            yield _("The database of the standby %(node)s does not stream (%(state)s).") % (
                at | {"state": database.receiver or _("not connected")}
            )
        if database.replay_paused:
            yield _("Replay on the standby %(node)s is paused.") % at
    yield from _follower_gaps(here, _follower(here), standby)
    there = _state(seen, active)
    if site.replication == "sync" and there is not None and there.database is not None:
        waiting = {link.name for link in there.database.standbys if link.sync_state == "sync"}
        for name in (standby, "documents"):
            if name not in waiting:
                yield _("Replication is to be synchronous, but commits do not wait for %(name)s.") % {
                    "name": name
                }
    histories = {state.database.system_id for state in (here, there) if state and state.database}
    if database is not None and database.in_recovery and len(histories - {None}) > 1:
        yield _("The databases of both nodes have different histories (system ids).")
    lag = _database_lag(seen, active, standby)
    if lag.seconds is not None and lag.seconds > site.policy.rpo_s:
        yield _("The standby's database is %(lag).0f s behind; %(limit).0f s are promised.") % {
            "lag": lag.seconds,
            "limit": site.policy.rpo_s,
        }
    documents = _documents_lag(seen, standby)
    if documents.seconds is not None and documents.seconds > site.policy.rpo_s:
        yield _("The standby's documents are %(lag).0f s behind; %(limit).0f s are promised.") % {
            "lag": documents.seconds,
            "limit": site.policy.rpo_s,
        }


def _alone(seen: SiteObservation, active: str | None) -> Unprotected | None:
    state = _state(seen, active)
    return state.unprotected if state else None


def _unprotected(seen: SiteObservation, active: str | None) -> Iterator[str]:
    alone, state = _alone(seen, active), _state(seen, active)
    if alone is not None and state is not None:
        yield _("Unprotected since %(time)s (for %(duration)s): %(why)s.") % {
            "time": time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(alone.since)),
            "duration": duration(state.time - alone.since),
            "why": alone.reason or "-",
        }


def duration(seconds: float) -> str:
    """Given seconds, return them as people say it: ``2 d 3 h``, ``3 h 12 min``, ``4 min 10 s``, ``8 s``."""
    whole = max(0, int(seconds))
    parts = [
        (whole // 86400, _("d")),
        (whole // 3600 % 24, _("h")),
        (whole // 60 % 60, _("min")),
        (whole % 60, _("s")),
    ]
    first = next((index for index, (count, _unit) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(
        f"{count} {unit}" for count, unit in parts[first : first + 2] if count or first == len(parts) - 1
    )


def _diverged(seen: SiteObservation, active: str | None, other: str | None) -> Iterator[str]:
    """Yield what is seen of a history that only the other node has."""
    here, there = _state(seen, active), _state(seen, other)
    if here is None or there is None or here.database is None or there.database is None:
        return
    names = {"node": other, "active": active}
    count = beyond(here.database, there.database)
    if count:
        yield _(
            "%(node)s holds %(bytes)s bytes of log that %(active)s never had; `lpse-ops divergence` lists them."
        ) % (names | {"bytes": f"{count:,}"})
    elif there.guard and there.guard.state == "superseded":
        yield _("%(node)s may hold what %(active)s never had; `lpse-ops divergence` lists it.") % names


def _follower_gaps(here: NodeState, follower: Follower | None, standby: str) -> Iterator[str]:
    at = {"node": standby}
    if follower is None:
        yield _("The documents do not follow to %(node)s.") % at
        return
    age = None if follower.last_pass is None else here.time - follower.last_pass
    if follower.state != "following":
        yield _("The documents do not follow to %(node)s (%(state)s): %(why)s") % (
            at | {"state": follower.state, "why": follower.error or _("no reason given")}
        )
    elif age is None or age > PASS_AGE_S:
        yield _("The last pass over the documents on %(node)s is %(age).0f s old.") % (
            at | {"age": age or 0.0}
        )
    if follower.state == "following" and follower.error:
        yield _("Documents on %(node)s: %(why)s") % (at | {"why": follower.error})


def _disks(seen: SiteObservation) -> Iterator[str]:
    for name, view in seen.hosts.items():
        disk = view.state.disk if view.state else None
        if disk is not None and disk.free_mb < LOW_DISK_MB:
            yield _("Only %(free)s MB are free on %(mount)s of %(host)s.") % {
                "free": disk.free_mb,
                "mount": disk.mount,
                "host": name,
            }


def _protection(seen: SiteObservation, active: str | None, standby: str | None, gaps: list[str]) -> str:
    here, there = _state(seen, standby), _state(seen, active)
    if gaps:
        return "unprotected"
    if here is None or there is None or there.database is None or not there.database.running:
        return "unknown"
    linked = any(link.name == standby and link.state == "streaming" for link in there.database.standbys)
    return "protected" if linked else "unprotected"


def _database_lag(seen: SiteObservation, active: str | None, standby: str | None) -> DatabaseLag:
    here, there = _state(seen, standby), _state(seen, active)
    mine = here.database if here else None
    if mine is None or there is None or there.database is None:
        return DatabaseLag(None, None)
    link = next((link for link in there.database.standbys if link.name == standby), None)
    size = link.lag_bytes if link else None
    if size is None and there.database.lsn and mine.receive_lsn:
        size = max(0, there.database.lsn - mine.receive_lsn)
    if size == 0 and (mine.receive_lsn is None or mine.receive_lsn == mine.replay_lsn):
        return DatabaseLag(0, 0.0)
    theirs, ours = there.database.last_commit, mine.last_commit
    seconds = max(0.0, theirs - ours) if theirs is not None and ours is not None else None
    return DatabaseLag(size, seconds)


def _documents_lag(seen: SiteObservation, standby: str | None) -> DocumentsLag:
    here = _state(seen, standby)
    follower = _follower(here)
    if here is None or follower is None:
        return DocumentsLag(None, None, None)
    seconds = follower.lag_s
    if follower.last_pass is None:
        seconds = None
    elif follower.state != "following":
        seconds = max(seconds or 0.0, here.time - follower.last_pass)  # what is new there is not known here
    return DocumentsLag(follower.behind, follower.behind_bytes, seconds)


def _samples(seen: SiteObservation, active: str | None) -> dict[str, float | None]:
    ages: dict[str, float | None] = {}
    for name, view in seen.hosts.items():
        if view.state is None or name == active:
            continue
        last = max((sample.time for sample in view.state.samples if sample.ok), default=None)
        ages[name] = None if last is None else max(0.0, view.state.time - last)
    return ages


def _clocks(site: "Site", seen: SiteObservation) -> Iterator[str]:
    limit = site.policy.max_clock_offset_s
    for name, view in seen.hosts.items():
        state = view.state
        if state is None:
            continue
        if view.offset_s is not None and abs(view.offset_s) - view.seconds / 2 > limit:
            yield _(
                "The clock of %(host)s differs from this machine's by %(offset).1f s; %(limit)g s are allowed."
            ) % {
                "host": name,
                "offset": view.offset_s,
                "limit": limit,
            }
        if state.zone is not None and state.zone != site.time_zone:
            yield _("The time zone of %(host)s is %(zone)s, not %(wanted)s.") % {
                "host": name,
                "zone": state.zone,
                "wanted": site.time_zone,
            }
