"""One lab: hosts, controllers, BMCs and their network, as one object."""

import contextlib
import datetime
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lpse_ops import __version__
from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.lab import (
    artifacts,
    bmc,
    cleanup,
    disk,
    faults,
    host,
    image,
    inventory,
    network,
    power,
    snapshot,
    store,
    tools,
)
from lpse_ops.lab.locking import Taken, locked
from lpse_ops.lab.names import (
    ADDRESSES,
    BMCS,
    CONTROLLERS,
    DEFAULT,
    HOSTS,
    NODES,
    LabNames,
    known_host,
    lab_home,
    release_name,
)
from lpse_ops.lab.power import HostFile

MEGABYTES = 1500  # what the disks of three provisioned hosts take
T = TypeVar("T")
U = TypeVar("U")


def _quiet(_message: str) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class HostStatus:
    """How one host of a lab stands."""

    name: str
    address: str
    power: str  # on | off
    frozen: bool
    link: bool
    ssh: bool


@dataclass(frozen=True)
class LabStatus:
    """How a lab stands."""

    name: str
    release: str
    site: str
    hosts: list[HostStatus]
    bmcs: dict[str, bool]
    partitions: list[str]
    snapshots: list[str]


class Lab:
    """The lab of this name; it need not exist yet. Raise LabError for a name that cannot be one."""

    def __init__(self, name: str = DEFAULT, report: tools.Report = _quiet) -> None:
        self.names = LabNames(name)
        self.report = report

    # ------------------------------------------------------------ life

    @property
    def name(self) -> str:
        """The name of the lab."""
        return self.names.name

    @property
    def site_folder(self) -> Path:
        """The inventory folder of the lab."""
        return self.names.site

    def exists(self) -> bool:
        """Return whether the lab was brought up whole and is there."""
        return (self.names.state / "lab.json").is_file() and self._switch().exists()

    def up(self, release: str = "12") -> None:
        """Bring the lab up with Debian `release` hosts, building image and package store if they are not cached.

        What a half-made lab of this name left is removed first. Raise LabError if the lab runs, or if this machine
        cannot carry one (no root, programs or space missing).
        """
        release_name(release)
        self._require_machine()
        with self._working():
            if self.exists():
                raise LabError(
                    _("The lab '%(name)s' is up already.") % {"name": self.name},
                    hint=_("Take it down (lpse-ops lab down --name %(name)s), or choose another --name.")
                    % {"name": self.name},
                )
            if self._clean():
                self.report(_("Removed what was left of a half-made lab."))
            built = image.image(release, self.report)
            packages = store.store(release, built, self.report)
            tools.require_space(self.names.state, MEGABYTES)
            tools.allow_many_hosts(self.report)
            try:
                self._make(release, built, packages)
            except BaseException:
                with contextlib.suppress(LabError, power.PowerError):
                    cleanup.down(self.names)
                raise

    def down(self) -> list[str]:
        """Remove the lab and everything of it; return what there was. A second time does nothing."""
        tools.require_root()
        with self._working():
            return self._clean()

    def status(self) -> LabStatus:
        """Return how the lab stands. Raise LabError if there is none."""
        about = self._about()
        with ThreadPoolExecutor(len(HOSTS)) as pool:
            hosts = list(pool.map(self._host_status, HOSTS))
        return LabStatus(
            name=self.name,
            release=str(about["release"]),
            site=str(self.site_folder),
            hosts=hosts,
            bmcs={node: bmc.running(self.names, node) for node in NODES},
            partitions=network.partitions(self.names),
            snapshots=list(snapshot.load(self.names)),
        )

    # ------------------------------------------------------------ use

    def command(self, where: str, argv: Sequence[str]) -> list[str]:
        """Return the command that runs `argv` as root in a host, or on this machine in a controller's network."""
        known_host(where, (*HOSTS, *CONTROLLERS, *BMCS.values()))
        tools.require_root()
        if where in HOSTS:
            return host.command(self._host(where), argv)
        return host.namespace_command(self.names, where, argv)

    def run(
        self,
        where: str,
        argv: Sequence[str],
        input: str | bytes | None = None,
        timeout: float | None = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` as `command` says, `input` on its stdin; return exit code, stdout and stderr (text).

        Raise LabError if the host is off or `timeout` (s, scaled) passes.
        """
        return host.execute(self.command(where, argv), input, timeout)

    def snapshot(self, label: str) -> None:
        """Keep the state of all hosts as `label`. Running hosts are shut down in good order and started again."""
        self._require_up()
        if label in snapshot.load(self.names):
            raise LabError(
                _("There is a snapshot '%(label)s' already.") % {"label": label},
                hint=_("Choose another label."),
            )
        with self._working():
            powered = {h.name: power.is_on(h) for h in self._hosts()}
            self.report(_("Shutting the hosts down ..."))
            self._each(self._stop, self._hosts())
            layers = dict(zip(HOSTS, self._each(snapshot.close_layer, self._hosts()), strict=True))
            taken: dict[str, snapshot.HostState] = {
                h: {"layers": layers[h], "powered": powered[h]} for h in HOSTS
            }
            snapshot.store(self.names, {**snapshot.load(self.names), label: taken})
            self.report(_("Starting the hosts ..."))
            self._start([h for h in self._hosts() if powered[h.name]])

    def reset(self, label: str) -> None:
        """Put all hosts, the network and the BMCs back to snapshot `label`; hosts that were off then are off."""
        self._require_up()
        with self._working():
            states = snapshot.get(self.names, label)
            every = snapshot.load(self.names).values()
            network.heal(self.names)

            def put_back(target: HostFile) -> None:
                power.power_off(target)
                power.lie(target, "")
                kept = {layer for states in every for layer in states[target.name]["layers"]}
                snapshot.back_to(target, states[target.name]["layers"], kept)

            inventory.close_connections(self.names)
            self._each(put_back, self._hosts())
            self._each(lambda node: bmc.reset(self.names, node), NODES)
            for controller in CONTROLLERS:
                power.set_link(self.names.namespace("switch"), controller, True)
            self.report(_("Starting the hosts ..."))
            self._start([h for h in self._hosts() if states[h.name]["powered"]])

    def snapshots(self) -> list[str]:
        """Return the labels of the snapshots, the oldest first."""
        return list(snapshot.load(self.names))

    # ------------------------------------------------------------ faults

    def power_cut(self, node: str) -> None:
        """Pull the plug of a host: link gone, unsynced data lost, nothing answers."""
        with _as_lab_error():
            power.power_off(self._host(node))

    def power_on(self, node: str, wait: bool = True) -> None:
        """Switch a host on; with `wait`, return when it lets people in. One that is on is left as it is."""
        target = self._host(node)
        with _as_lab_error():
            power.power_on(target)
        if wait:
            self.report(_("Waiting until %(host)s lets people in ...") % {"host": node})
            host.wait_ready(self.names, target)

    def freeze(self, node: str, kind: str = faults.HANG) -> None:
        """Freeze a host: ``hang`` (its kernel still answers) or ``pause`` (link down too)."""
        with _as_lab_error():
            faults.freeze(self._host(node), kind)

    def thaw(self, node: str) -> None:
        """Let a frozen host go on."""
        with _as_lab_error():
            faults.thaw(self._host(node))

    def partition(self, one: str, other: str | None = None, one_way: bool = False) -> None:
        """Cut the network between `one` and `other` (None: everybody); `one_way`: only what `one` sends is lost."""
        self._require_up()
        for name in (one, *([other] if other else [])):
            known_host(name, tuple(ADDRESSES))
        network.partition(self.names, one, other, one_way)

    def heal(self) -> None:
        """Undo all partitions."""
        self._require_up()
        network.heal(self.names)

    def fill_disk(self, node: str, leave_mb: int = 0) -> int:
        """Fill a host's disk but for `leave_mb` MB; return the MB taken."""
        return disk.fill(self._host(node), leave_mb)

    def free_disk(self, node: str) -> None:
        """Undo `fill_disk`."""
        disk.free(self._host(node))

    def kill(self, node: str, process: str) -> int:
        """Kill the processes of a host that have this name; return how many."""
        return faults.kill(self._host(node), process)

    def bmc_says(self, node: str, says: str) -> None:
        """Let the BMC of a node lie: ``on`` or ``off`` whatever is so, and deaf to orders; ``truth`` ends it."""
        if node not in NODES or says not in {"on", "off", "truth"}:
            raise LabError(
                _("'%(node)s %(says)s' is nothing that a BMC says.") % {"node": node, "says": says},
                hint=_("A node (%(nodes)s), and one of: on, off, truth.") % {"nodes": ", ".join(NODES)},
            )
        power.lie(self._host(node), "" if says == "truth" else says)

    def is_on(self, node: str) -> bool:
        """Return whether a host has power."""
        return power.is_on(self._host(node))

    # ------------------------------------------------------------ within

    def _make(self, release: str, built: Path, packages: Path) -> None:
        self.report(_("Starting the hosts ..."))
        self.names.state.mkdir(parents=True, mode=0o755)
        technician = inventory.write(self.names, packages / store.KEY_FILE)
        network.create_switch(self.names)
        with ThreadPoolExecutor(len(HOSTS) + 1) as pool:
            keys = {h: pool.submit(self._install, h, built, packages, technician) for h in HOSTS}
            golden = pool.submit(artifacts.golden_copy, self.site_folder / "artifacts/golden", self.report)
            passwords = inventory.write_secrets(self.names)
            for name in (*CONTROLLERS, *BMCS.values()):
                network.connect(self.names, name)
            for node in NODES:
                bmc.create(self.names, node, passwords[node])
                bmc.start(self.names, node)
            inventory.write_known_hosts(self.names, {h: keys[h].result() for h in HOSTS})
            golden.result()
        about = {
            "schema": 1,
            "name": self.name,
            "release": release,
            "image": built.name,
            "store": packages.name,
            "version": __version__,
            "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        }
        (self.names.state / "lab.json").write_text(json.dumps(about, indent=1) + "\n")

    def _install(self, name: str, built: Path, packages: Path, technician: str) -> str:
        """Make one host, start it and wait for it; return its public SSH host key."""
        new = host.describe(self.names, name, built, packages)
        with _as_lab_error(), tempfile.TemporaryDirectory(dir=new.base) as files:
            key = host.identify(new, technician, Path(files))
            disk.create(new, Path(files))
            power.power_on(new)
        host.wait_ready(self.names, new)
        return key

    def _stop(self, target: HostFile) -> None:
        """Shut a host down in good order; one that does not obey has its power cut."""
        with _as_lab_error():
            if not power.shut_down(target):
                raise LabError(
                    _("%(host)s does not shut down.") % {"host": target.name},
                    hint=_("Cut its power first: lpse-ops lab fault power-cut %(host)s")
                    % {"host": target.name},
                )

    def _start(self, hosts: Sequence[HostFile]) -> None:
        self._each(lambda target: self.power_on(target.name), hosts)

    def _each(self, do: Callable[[T], U], items: Sequence[T]) -> list[U]:
        """Do the same to several at once; return the results in order."""
        if not items:
            return []
        with _as_lab_error(), ThreadPoolExecutor(len(items)) as pool:
            return list(pool.map(do, items))

    def _hosts(self) -> list[HostFile]:
        return [self._host(name) for name in HOSTS]

    def _host(self, name: str) -> HostFile:
        return host.find(self.names, known_host(name, HOSTS))

    def _host_status(self, name: str) -> HostStatus:
        target = self._host(name)
        on = power.is_on(target)
        return HostStatus(
            name=name,
            address=target.address,
            power="on" if on else "off",
            frozen=on and power.is_frozen(power.group(self.name, name)),
            link=network.link_up(self.names, name),
            ssh=on and bool(network.banner(self.names, target.address, 0.5)),
        )

    def _about(self) -> dict[str, object]:
        self._require_up()
        about: dict[str, object] = json.loads((self.names.state / "lab.json").read_text())
        return about

    def _require_up(self) -> None:
        tools.require_root()
        if not self.exists():
            raise LabError(
                _("There is no lab '%(name)s'.") % {"name": self.name},
                hint=_("Start it: lpse-ops lab up --name %(name)s") % {"name": self.name},
            )

    def _require_machine(self) -> None:
        tools.require_root()
        tools.require_tools()

    def _switch(self) -> Path:
        return Path("/run/netns", self.names.namespace("switch"))

    def _clean(self) -> list[str]:
        with _as_lab_error():
            return cleanup.down(self.names)

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        """Keep others off this lab while it is built, reset or taken down. Raise LabError if somebody is at it."""
        try:
            with locked(self.names.lock_file):
                yield
        except Taken as holder:
            raise LabError(
                _("Another lpse-ops (process %(pid)s) is at work on the lab '%(name)s'.")
                % {"pid": holder, "name": self.name},
                hint=_("Wait until it is done, or choose another --name."),
            ) from None


@contextlib.contextmanager
def _as_lab_error() -> Iterator[None]:
    try:
        yield
    except power.PowerError as error:
        raise LabError(
            _("The lab cannot go on: %(error)s.") % {"error": error},
            hint=_(
                "See what is there: lpse-ops lab status. If nothing else helps: lpse-ops lab down, and up again."
            ),
        ) from error


def all_labs() -> list[str]:
    """Return the names of the labs that have a folder on this machine."""
    home = lab_home()
    return sorted(p.name for p in home.iterdir() if p.is_dir()) if home.is_dir() else []
