"""The loss statement: what can be lost, worked out from what was seen while the active node still lived.

Voters sample the active node every 2 s (its WAL position and rate, the number of its documents and their
rate). What the survivor holds now is known exactly; what the dead node had beyond that is bounded by its last
sample plus its highest recent rate times the time until the first sign of its death. All figures are upper
bounds of what was *acknowledged*; none is a guess at an average.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from lpse_ops.observe.facts import NodeState, Sample
from lpse_ops.observe.lsn import Lsn

RATE_WINDOW_S = (
    60.0  # the highest rate of this many seconds before the last sample stands for the time after it
)

SHORTEST_S = 1.0  # two samples closer than that make no rate


@dataclass(frozen=True)
class Held:
    """What the survivor holds: its WAL position, the number of its documents, the time of its last replayed commit."""

    lsn: Lsn
    documents: int
    last_commit: float | None = None


@dataclass(frozen=True)
class Loss:
    """What can be lost: seconds before the death, bytes of WAL, documents; None where nothing was observed.

    `observed_at` is the time of the last good sample, `age_s` how long before the first sign of death that
    was, `newest` the newest document then known on the active node.
    """

    seconds: float | None
    wal_bytes: int | None
    documents: int | None
    observed_at: float | None
    age_s: float | None
    newest: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the statement as JSON-ready data."""
        return asdict(self)


def held_by(survivor: NodeState) -> Held:
    """Given the survivor's state, return what it holds (nothing where it cannot say)."""
    database, documents = survivor.database, survivor.documents
    places = (database.receive_lsn, database.replay_lsn, database.lsn) if database else ()
    follower = documents.follower if documents else None
    place = max((place for place in places if place), default=Lsn(0))
    files = (follower.files or 0) if follower else 0
    return Held(place, files, database.last_commit if database else None)


def state_loss(
    samplers: Sequence[Sequence[Sample]], active: str, held: Held, now: float, *, alive: bool = False
) -> Loss:
    """Given each voter's samples, who was active, what the survivor holds and when the power was off, state the loss.

    Times are seconds since 1970 by one clock. `alive`: the power was still on when the failover began, so that samples
    that failed before are no sign of death. Without a good sample of `active` nothing can be stated: all figures are
    None.
    """
    seen = [[sample for sample in samples if _counts(sample, active)] for samples in samplers]
    good = sorted((sample for samples in seen for sample in samples), key=lambda sample: sample.time)
    if not good:
        return Loss(None, None, None, None, None)
    last = good[-1]
    until = now if alive else min(_first_sign(samplers, last.time, now), now)
    until = max(until, last.time)
    age = until - last.time
    recent = [sample for sample in good if sample.time >= last.time - RATE_WINDOW_S]
    wal_rate = max(sample.wal_rate or 0.0 for sample in recent)
    document_rate = max((sample.documents.rate or 0.0) if sample.documents else 0.0 for sample in recent)
    wal_peak, document_peak = _peaks(seen, last.time - RATE_WINDOW_S)
    counted = (last.documents.count or 0) if last.documents else 0
    since = _whole_until(good, held)
    seconds = None if since is None else max(0.0, until - since)
    after = max(document_rate, document_peak) * age
    documents = max(max(0, counted - held.documents) + after, document_rate * (seconds or 0.0))
    newest = last.documents.newest if last.documents else None
    return Loss(
        seconds=None if seconds is None else round(seconds, 2),
        wal_bytes=max(0, (last.lsn or Lsn(0)) - held.lsn) + math.ceil(max(wal_rate, wal_peak) * age),
        documents=math.ceil(documents),
        observed_at=round(last.time, 3),
        age_s=round(age, 2),
        newest=asdict(newest) if newest else None,
    )


def _counts(sample: Sample, active: str) -> bool:
    return bool(sample.ok and sample.lsn and sample.active in (active, None))


def _first_sign(samplers: Sequence[Sequence[Sample]], last: float, now: float) -> float:
    """Return since when no sampler heard the active node; one alone may have been cut off itself, it proves nothing."""
    failed = [
        [sample.time for sample in samples if not sample.ok and sample.time > last] for samples in samplers
    ]
    return max(min(times) for times in failed) if failed and all(failed) else now


def _peaks(samplers: Sequence[Sequence[Sample]], begin: float) -> tuple[float, float]:
    """Return the highest growth a second (bytes of log, documents) between two samples since `begin`.

    The rates in the samples are averages over half a minute: a rush in its last seconds hardly moves them.
    """
    wal = documents = 0.0
    for samples in samplers:
        for one, next_ in pairwise(sorted(samples, key=lambda sample: sample.time)):
            span = next_.time - one.time
            if span < SHORTEST_S or one.time < begin or one.lsn is None or next_.lsn is None:
                continue
            wal = max(wal, (next_.lsn - one.lsn) / span)
            if one.documents and next_.documents:
                grown = (next_.documents.count or 0) - (one.documents.count or 0)
                documents = max(documents, grown / span)
    return wal, documents


def _whole_until(good: Sequence[Sample], held: Held) -> float | None:
    """Return until when the survivor's log is whole, None if nobody knows.

    That is the time of the newest sample whose place in the log it holds. Where its log ends before all samples that
    are left, the commit it replayed last is the only witness: too early if nothing was written since, never too late.
    """
    whole = [sample.time for sample in good if sample.lsn and sample.lsn <= held.lsn]
    return whole[-1] if whole else held.last_commit
