"""Who takes over from whom: read from the records, with every reason that forbids it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lpse_ops.i18n import _
from lpse_ops.observe.facts import NodeState, Record
from lpse_ops.observe.life import signs_of_life
from lpse_ops.observe.site import HostView, SiteObservation
from lpse_ops.site import Site

UNREACHABLE = "UnreachableError"
PROMOTION_MB = (
    64  # four segments of WAL: the new timeline's first one, the checkpoint, the application's start
)


@dataclass(frozen=True)
class Choice:
    """A failover that is allowed: from `old` to `new`, and the epoch record that it will write (without its
    run). `attested`: no program can read the power of `old`; a person vouches for its death. `notes`: what a person
    should know before saying yes.
    """

    old: str
    new: str
    record: dict[str, Any]
    attested: bool = False
    notes: tuple[str, ...] = ()

    @property
    def witnessed(self) -> bool:
        """Whether the repository will hold the record, too."""
        return bool(self.record["witnessed"])


def highest_record(seen: SiteObservation) -> Record | None:
    """Return the record with the highest epoch that any voter showed, None if none did."""
    records = [view.state.record for view in seen.hosts.values() if view.state and view.state.record]
    return max(records, key=lambda record: record.epoch, default=None)


def choose(
    site: Site, seen: SiteObservation, to: str | None, *, attested: bool = False, unwitnessed: bool = False
) -> tuple[Choice | None, list[str]]:
    """Given a site, what was seen of it, and the wished node (None: the other one), return the choice or
    all the reasons why not.

    `attested`: a person vouches for the death of the active node; it counts where its power cannot be read, and only
    there. `unwitnessed`: an operator takes the responsibility for a promotion that the repository does not see; that
    goes with power that was taken, not with an attestation.
    """
    record = highest_record(seen)
    if record is None:
        return None, [
            _("No voter shows an epoch record, so nobody knows which node is active."),
            *_unseen(seen),
        ]
    old, new = record.active, to or site.other(record.active)
    reasons = [
        *_records_agree(site, seen, record, new, unwitnessed=unwitnessed),
        *_old_is_dead(seen, old, new),
        *_power_can_be_taken(seen, old, attested=attested and not unwitnessed),
        *_new_can_serve(site, seen, new),
        *_same_history(seen, old, new),
    ]
    if reasons:
        return None, reasons
    written = {
        "site": record.site,
        "system_id": record.system_id,
        "epoch": record.epoch + 1,
        "active": new,
        "witnessed": not unwitnessed,
    }
    by_word = attested and not _power_is_read(seen, old)
    return Choice(
        old, new, written, by_word, tuple(_notes(site, seen, old, new, unwitnessed=unwitnessed))
    ), []


def hidden(seen: SiteObservation) -> str | None:
    """Return the active node if it cannot be seen and its power is not known to be off: it may live behind a network
    fault; None otherwise.
    """
    record = highest_record(seen)
    if record is None or record.active not in seen.hosts or seen.state(record.active) is not None:
        return None
    power = seen.power.get(record.active)
    return None if power is not None and power.state == "off" else record.active


def attestable(seen: SiteObservation) -> str | None:
    """Return the active node if its power cannot be read and nothing shows that it lives: then a person may attest its
    death; None otherwise.
    """
    old = hidden(seen)
    if old is None or _power_is_read(seen, old) or seen.hosts[old].reached or any(signs_of_life(seen, old)):
        return None
    return old


def _power_is_read(seen: SiteObservation, old: str) -> bool:
    power = seen.power.get(old)
    return power is not None and power.state is not None


def _unseen(seen: SiteObservation) -> Iterator[str]:
    for what, why in seen.unseen().items():
        yield _("%(what)s could not be seen: %(why)s") % {"what": what, "why": why}


def _records_agree(
    site: Site, seen: SiteObservation, record: Record, new: str, *, unwitnessed: bool
) -> Iterator[str]:
    for voter in (site.repository.name, new):
        state, view = seen.state(voter), seen.hosts[voter]
        if unwitnessed and voter == site.repository.name:
            yield from _cannot_witness(view)
        elif state is None:
            yield _("%(host)s could not be seen: %(why)s") % {"host": voter, "why": view.error}
            if voter == site.repository.name and view.kind == UNREACHABLE:
                yield _(
                    "Without the repository nobody witnesses the new epoch. If it stays away and the power of the old "
                    'active node can be taken: `lpse-ops failover --unwitnessed "REASON"`; its help says what it costs.'
                )
        elif state.record is None:
            yield _("%(host)s has no readable epoch record.") % {"host": voter}
        elif (state.record.epoch, state.record.active) != (record.epoch, record.active):
            yield _("The epoch record of %(host)s says epoch %(theirs)s, another voter says %(epoch)s.") % {
                "host": voter,
                "theirs": state.record.epoch,
                "epoch": record.epoch,
            }


def _cannot_witness(repository: HostView) -> Iterator[str]:
    """Yield why a promotion needs no exception from its witness."""
    host = {"host": repository.host}
    if repository.state is not None:
        yield _("%(host)s answers: it can witness the new epoch, so leave --unwitnessed out.") % host
    elif repository.kind != UNREACHABLE:
        yield _(
            "%(host)s is not away, it only cannot be asked: %(why)s Mend that instead of --unwitnessed."
        ) % (host | {"why": repository.error})


def _old_is_dead(seen: SiteObservation, old: str, new: str) -> Iterator[str]:
    if old == new:
        yield _("%(node)s is the active node already.") % {"node": new}
    state, power = seen.state(old), seen.power.get(old)
    off = power is not None and power.state == "off"
    if state is not None and _healthy(state):
        yield _(
            "The active node %(node)s is healthy: it answers, its database is open and it serves. "
            "A failover would cut it off; a planned switchover loses nothing."
        ) % {"node": old}
    if off and old in seen.hosts and seen.hosts[old].reached:
        yield _(
            "The power of %(node)s reads off, but %(node)s still answers: its BMC may belong to another machine, "
            "or lie. Nothing that it says is a proof."
        ) % {"node": old}
    signs = list(signs_of_life(seen, old)) if state is None else []
    if signs:
        yield _(
            "The active node %(node)s lives: that is a network fault between it and this machine, not its death. "
            "%(signs)s"
        ) % {"node": old, "signs": " ".join(signs)}


def _healthy(state: NodeState) -> bool:
    return bool(
        state.database
        and state.database.running
        and state.database.in_recovery is False
        and state.application
        and state.application.ready
        and state.proxy
        and state.proxy.running
        and state.proxy.open
        and state.address
        and state.address.held
    )


def _power_can_be_taken(seen: SiteObservation, old: str, *, attested: bool) -> Iterator[str]:
    if _power_is_read(seen, old):
        return
    power = seen.power.get(old)
    if not attested:
        yield _("The power of %(node)s cannot be read, so its death cannot be proven: %(why)s") % {
            "node": old,
            "why": (power.error if power else None) or _("there is no program for it in the inventory"),
        }
    elif old in seen.hosts and (seen.hosts[old].reached or seen.state(old) is not None):
        yield _("%(node)s answers, so its death cannot be attested. Switch it off by hand first.") % {
            "node": old
        }


def _new_can_serve(site: Site, seen: SiteObservation, new: str) -> Iterator[str]:
    state = seen.state(new)
    if state is None:
        return  # _records_agree has said so
    database = state.database
    if database is None or not database.running:
        yield _("PostgreSQL on %(node)s does not run; it is no standby. `lpse-ops protect` makes it one.") % {
            "node": new
        }
    elif database.in_recovery is None:
        yield _("PostgreSQL on %(node)s runs, but answers no query; its log on the host says why.") % {
            "node": new
        }
    elif not database.in_recovery:
        yield _("PostgreSQL on %(node)s is no standby: it is open for writes.") % {"node": new}
    elif state.record and database.system_id and state.record.system_id not in (None, database.system_id):
        yield _("%(node)s holds another database (system id %(theirs)s, expected %(ours)s).") % {
            "node": new,
            "theirs": database.system_id,
            "ours": state.record.system_id,
        }
    if state.disk is not None and state.disk.free_mb < PROMOTION_MB:
        yield _(
            "%(node)s has only %(free)s MB free on %(mount)s; a promotion needs %(needed)s MB. Make room there."
        ) % {
            "node": new,
            "free": state.disk.free_mb,
            "mount": state.disk.mount,
            "needed": PROMOTION_MB,
        }
    view, limit = seen.hosts[new], site.policy.max_clock_offset_s
    # Found out now and not after the promotion: the public is not let in with a wrong clock.
    if view.offset_s is not None and abs(view.offset_s) - view.seconds / 2 > limit:
        yield _(
            "The clock of %(node)s differs from this machine's by %(offset).1f s; %(limit)g s are allowed. "
            "Set the one that is wrong."
        ) % {"node": new, "offset": view.offset_s, "limit": limit}
    if state.zone != site.time_zone:
        yield _("%(node)s is on the zone %(zone)s, the site is on %(expected)s.") % {
            "node": new,
            "zone": state.zone,
            "expected": site.time_zone,
        }


def _same_history(seen: SiteObservation, old: str, new: str) -> Iterator[str]:
    """Yield it if the new node has left the old one's timeline: somebody has promoted it by hand."""
    state = seen.state(new)
    database = state.database if state else None
    known = _timeline_of(seen, old)
    if database is None or database.timeline is None or known is None or database.timeline <= known:
        return
    left = next((step.until for step in database.history if step.timeline == known), None)
    yield _(
        "%(node)s was promoted by hand: it is on timeline %(theirs)s since %(place)s, the active node was on %(ours)s. "
        "What was written on %(old)s after that is not on %(node)s. `lpse-ops divergence` compares them once %(old)s "
        "answers; `lpse-ops protect --replace %(node)s` makes %(node)s a standby again."
    ) % {
        "node": new,
        "theirs": database.timeline,
        "place": left or "?",
        "ours": known,
        "old": old,
    }


def _timeline_of(seen: SiteObservation, old: str) -> int | None:
    """Return the timeline on which the active node was seen last, None if nobody knows."""
    state = seen.state(old)
    if state and state.database and state.database.timeline:
        return state.database.timeline
    samples = [
        sample
        for view in seen.hosts.values()
        if view.state
        for sample in view.state.samples
        if sample.ok and sample.active == old and sample.timeline
    ]
    return max(samples, key=lambda sample: sample.time).timeline if samples else None


def _notes(site: Site, seen: SiteObservation, old: str, new: str, *, unwitnessed: bool) -> Iterator[str]:
    state = seen.state(new)
    if state and state.database and state.database.replay_paused:
        yield _(
            "Replay on %(node)s is paused. The promotion resumes it: all that %(node)s has received is replayed first."
        ) % {"node": new}
    if unwitnessed:
        yield _(
            "Unwitnessed: %(repository)s does not learn of the new epoch and would still confirm %(old)s. Until it has "
            "witnessed, see that %(old)s gets no power (pull its plug)."
        ) % {"repository": site.repository.name, "old": old}
