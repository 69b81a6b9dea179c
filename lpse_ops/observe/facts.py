"""What a host says about itself in one round trip (``lpse-node observe``).

Times are seconds since 1970 by the host's own clock. None: the host could not see it.
"""

from dataclasses import dataclass

from lpse_ops.observe.lsn import Lsn
from lpse_ops.observe.strict import read


@dataclass(frozen=True)
class Record:
    """The epoch record of a voter: who may write, since which run."""

    site: str
    system_id: str | None
    epoch: int
    active: str
    run: str | None
    witnessed: bool | None


@dataclass(frozen=True)
class Guard:
    """The return guard: its state (active, standby, superseded, holding, released, none) and why."""

    state: str
    open: bool | None
    reason: str | None


@dataclass(frozen=True)
class Ancestor:
    """A timeline that the present one comes from, and where in the log it was left."""

    timeline: int
    until: Lsn


@dataclass(frozen=True)
class Unprotected:
    """Since when the node that takes the writes is alone with them, and why."""

    since: float
    reason: str | None


@dataclass(frozen=True)
class StandbyLink:
    """One line of the active node's pg_stat_replication."""

    name: str
    state: str | None
    sync_state: str | None
    flush_lsn: Lsn | None
    lag_bytes: int | None


@dataclass(frozen=True)
class Database:
    """PostgreSQL on a host.

    `lsn` is what it wrote (active), `receive_lsn` and `replay_lsn` what a standby has; `received_at` is when its WAL
    receiver last had a message (log or keepalive) of the active node. `history`: the ancestors of its timeline, the
    oldest first. `checkpoint`: where the last one is, of a stopped database too.
    """

    running: bool | None
    in_recovery: bool | None
    version: int | None
    system_id: str | None
    timeline: int | None
    history: tuple[Ancestor, ...]
    checkpoint: Lsn | None
    lsn: Lsn | None
    receive_lsn: Lsn | None
    replay_lsn: Lsn | None
    replay_paused: bool | None
    receiver: str | None
    received_at: float | None
    last_commit: float | None
    standbys: tuple[StandbyLink, ...]


@dataclass(frozen=True)
class Application:
    """The application's unit state and whether its status page answers 200."""

    state: str | None
    ready: bool | None


@dataclass(frozen=True)
class Newest:
    """The newest document of a tree: its name in the tree and its time of change."""

    name: str | None
    time: float | None


@dataclass(frozen=True)
class Follower:
    """The documents follower of a standby.

    `behind`: files known to be missing; `lag_s`: age of what it lacks.
    """

    state: str
    last_pass: float | None
    files: int | None
    behind: int | None
    behind_bytes: int | None
    newest: Newest | None
    lag_s: float | None
    error: str | None


@dataclass(frozen=True)
class Documents:
    """The document tree and, on a standby, its follower."""

    path: str | None
    follower: Follower | None


@dataclass(frozen=True)
class Address:
    """Whether the host holds the service address."""

    held: bool | None


@dataclass(frozen=True)
class Proxy:
    """Whether the web proxy runs, and serves the application (`open`) or the notice page."""

    running: bool | None
    open: bool | None


@dataclass(frozen=True)
class Clock:
    """Whether the clock is synchronised, and its offset in seconds."""

    synchronised: bool | None
    offset_s: float | None


@dataclass(frozen=True)
class SampledDocuments:
    """Documents on the active node when sampled: how many, how many more a second, the newest."""

    count: int | None
    rate: float | None
    newest: Newest | None


@dataclass(frozen=True)
class Received:
    """What the standby had of the active node's log and documents at the same moment."""

    lsn: Lsn | None
    documents: int | None


@dataclass(frozen=True)
class Sample:
    """One look at the active node, kept for the loss statement. `wal_rate` in bytes a second."""

    time: float
    ok: bool
    active: str | None
    lsn: Lsn | None
    wal_rate: float | None
    documents: SampledDocuments | None
    received: Received | None
    error: str | None
    timeline: int | None = None


@dataclass(frozen=True)
class Disk:
    """The fullest of the file systems that the host's work needs: where it is mounted, megabytes free on it."""

    mount: str
    free_mb: int


@dataclass(frozen=True)
class NodeState:
    """All that a host says about itself."""

    version: str
    node: str
    site: str | None
    time: float
    boot_id: str | None
    uptime_s: float | None
    zone: str | None
    disk: Disk | None
    clock: Clock | None
    record: Record | None
    token: int | None
    guard: Guard | None
    unprotected: Unprotected | None
    database: Database | None
    application: Application | None
    documents: Documents | None
    address: Address | None
    proxy: Proxy | None
    samples: tuple[Sample, ...]

    @classmethod
    def parse(cls, data: object, host: str = "?") -> "NodeState":
        """Given the JSON of ``observe`` and the host's name, return it typed.

        Raise InternalError as `strict.read`.
        """
        return read(cls, data, host)
