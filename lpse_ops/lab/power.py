"""The power of a lab host: really on, really off. Standard library only.

It is imported by the lab and also run as a script by the lab's BMCs (``ipmi_sim`` calls it for every chassis command),
so it starts in some 30 ms and knows a host only by its file ``host.json``.

A power cut must look like one from outside and on disk: the port of the switch goes down first, the file system is
shut down without flushing its journal, and only then PID 1 is killed. Killing PID 1 alone would leave a kernel that
answers "connection refused" and a page cache that survives.

Disk and root of a host are mounted in a mount namespace of its own, from which systemd-nspawn is started. So they go
when the host goes, and no other process of the machine can hold a copy of the mount: the file system would live on in
it, still shut down, when the host is switched on again.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

EXT4_IOC_SHUTDOWN = 0x8004587D
EXT4_GOING_FLAGS_NOLOGFLUSH = 2
CGROUP_ROOT = Path("/sys/fs/cgroup")
HYBRID = (
    "freezer",
    "systemd",
    "unified",
)  # where freezing and systemd-nspawn look; the freezer is asked for processes
SIGNAL_POWEROFF = signal.SIGRTMIN + 4  # systemd(1): "Powers off the machine"
JOIN = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 70; shift; done; shift; exec "$@"'
LIE = "bmc-says"  # in a host's folder: what its BMC says in the place of the truth
FAILED = "lpse-lab: the host cannot be started"
# DISK-FILE DISK UPPER KEPT-LAYERS OVERLAY-OPTIONS ROOT COMMAND...: mount a host's disk, drop layers that no snapshot
# has, mount its root, run COMMAND. It ends with 133 when the host reboots itself (systemd-nspawn with --keep-unit).
START = f"""
mount -o loop "$1" "$2" && cd "$2/layers" && for layer in *; do
    case " $4 " in *" $layer "*) ;; *) rm -rf "$layer" ;; esac
done && mkdir -p "$3/upper" "$3/work" && mount -t overlay overlay -o "$5" "$6" && shift 6 && cd / || {{
    echo "{FAILED}"
    exit 1
}}
code=133
while [ "$code" = 133 ]; do
    code=0
    "$@" || code=$?
done
"""


class PowerError(RuntimeError):
    """A host could not be switched; the message says what stood in the way."""


class HostFile(NamedTuple):
    """What a host is made of: the content of ``host.json`` in its folder `base`."""

    lab: str
    name: str
    machine: str
    namespace: str
    switch: str
    address: str
    prefix: int
    mac: str
    base: str
    image: str
    store: str
    layers: list[str]
    upper: str
    size: str
    kept: tuple[str, ...] = ()  # layers of snapshots beside `layers`

    @property
    def disk(self) -> Path:
        """Where the host's own file system is mounted, in the host's mount namespace."""
        return Path(self.base, "disk")

    @property
    def root(self) -> Path:
        """Where the host's root (image plus layers) is mounted, in the host's mount namespace."""
        return Path(self.base, "root")

    @property
    def image_file(self) -> Path:
        """The file that is the host's disk."""
        return Path(self.base, "disk.img")


def load(base: Path) -> HostFile:
    """Given a host's folder, return its description."""
    content = json.loads((base / "host.json").read_text())
    return HostFile(**{**content, "kept": tuple(content.get("kept", ()))})


def save(host: HostFile) -> None:
    """Write the description of a host, whole or not at all."""
    path = Path(host.base, "host.json")
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(host._asdict(), indent=1) + "\n")
    temporary.replace(path)


# ---------------------------------------------------------------- control groups


def hierarchies() -> list[Path]:
    """Return the cgroup hierarchies that a host must join; the first one knows its processes and can freeze them."""
    if (CGROUP_ROOT / "cgroup.controllers").exists():
        return [CGROUP_ROOT]
    return [CGROUP_ROOT / name for name in HYBRID if (CGROUP_ROOT / name).is_dir()]


def group(lab: str, *parts: str) -> str:
    """Return the path of a cgroup of lab `lab`, relative to every hierarchy."""
    return "/".join((f"lpse-lab-{lab}", *parts))


def join_files(path: str) -> list[str]:
    """Make the cgroup `path` in every hierarchy; return the files a process writes ``0`` to in order to join it."""
    files = []
    for hierarchy in hierarchies():
        (hierarchy / path).mkdir(parents=True, exist_ok=True)
        files.append(str(hierarchy / path / "cgroup.procs"))
    return files


def in_group(path: str, argv: list[str]) -> list[str]:
    """Return `argv` wrapped so that it runs in the cgroup `path`."""
    return ["/bin/sh", "-c", JOIN, "sh", *join_files(path), "--", *argv]


def processes(path: str) -> list[int]:
    """Return the processes in the cgroup `path` and below it."""
    found: set[int] = set()
    for folder in _folders(hierarchies()[0] / path):
        with contextlib.suppress(OSError):
            found.update(int(line) for line in Path(folder, "cgroup.procs").read_text().split())
    return sorted(pid for pid in found if pid and status(pid, "State")[:1] not in (["Z"], []))


def remove_group(path: str) -> None:
    """Remove the cgroup `path` and all below it where they are empty."""
    for hierarchy in hierarchies():
        for folder in _folders(hierarchy / path):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def set_frozen(path: str, frozen: bool) -> None:
    """Freeze or thaw every process in the cgroup `path`; return when the kernel says so. Raise PowerError if not."""
    hierarchy = hierarchies()[0] / path
    version1, version2 = hierarchy / "freezer.state", hierarchy / "cgroup.freeze"
    if version1.exists():
        state = "FROZEN" if frozen else "THAWED"
        version1.write_text(state)
        done = lambda: version1.read_text().strip() == state  # noqa: E731
    elif version2.exists():
        version2.write_text("1" if frozen else "0")
        done = lambda: f"frozen {int(frozen)}" in (hierarchy / "cgroup.events").read_text()  # noqa: E731
    elif frozen:
        raise PowerError(f"no freezer at {hierarchy}")
    else:
        return
    if not _wait(done, 10):
        raise PowerError(f"{path}: not {'frozen' if frozen else 'thawed'} within 10 s")


def is_frozen(path: str) -> bool:
    """Return whether the cgroup `path` is frozen."""
    hierarchy = hierarchies()[0] / path
    for file, text in (("freezer.state", "FROZEN"), ("cgroup.freeze", "1")):
        if (hierarchy / file).exists():
            return (hierarchy / file).read_text().strip() == text
    return False


# ---------------------------------------------------------------- power


def is_on(host: HostFile) -> bool:
    """Return whether `host` has power: also while it starts, reboots itself or shuts down."""
    return bool(processes(group(host.lab, host.name)))


def leader(host: HostFile) -> int | None:
    """Return the process that is PID 1 of `host`, None when it is off or between two boots."""
    depth = len(status(os.getpid(), "NSpid")) + 1
    for pid in processes(group(host.lab, host.name)):
        numbers = status(pid, "NSpid")
        if len(numbers) == depth and numbers[-1] == "1":
            return pid
    return None


def lie(host: HostFile, says: str) -> None:
    """Let the BMC of `host` say ``on`` or ``off`` whatever is so, and do nothing it is told; "": the truth again."""
    told = Path(host.base, LIE)
    if says:
        told.write_text(says)
    else:
        told.unlink(missing_ok=True)


def _lie(host: HostFile) -> str:
    with contextlib.suppress(OSError):
        return Path(host.base, LIE).read_text()
    return ""


def power_off(host: HostFile) -> None:
    """Cut the power of `host`, as a pulled plug does; return when nothing of it runs. Unsynced data is lost."""
    with _switching(host):
        _cut(host)


def power_on(host: HostFile) -> bool:
    """Switch `host` on; return whether it was off. Raise PowerError if its PID 1 does not start within 10 s."""
    with _switching(host):
        path, log = group(host.lab, host.name), Path(host.base, "console.log")
        if is_on(host) and _wait(lambda: leader(host) or not is_on(host), 10) and leader(host):
            return False
        # Not a cut: a host that was shut down in good order must find everything it wrote.
        kill_group(path)
        if not _wait(lambda: not loops(host.image_file), 10):
            raise PowerError(f"{host.name}: its disk is still in use: {' '.join(loops(host.image_file))}")
        plug(host.namespace, host.switch, host.name, f"{host.address}/{host.prefix}", host.mac)
        start = log.stat().st_size if log.exists() else 0
        launch(path, start_command(host), log)

        def said() -> str:
            with log.open("rb") as console:
                console.seek(start)
                return console.read().decode(errors="replace")

        if not _wait(lambda: leader(host) or FAILED in said(), 10) or not leader(host):
            last = " / ".join(said().splitlines()[-5:])
            raise PowerError(f"{host.name}: PID 1 did not start ({last})")
        return True


def shut_down(host: HostFile, seconds: float = 90) -> bool:
    """Ask systemd in `host` to power off in good order; return whether it was off within `seconds`."""
    pid = leader(host)
    if pid:
        set_frozen(group(host.lab, host.name), False)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, SIGNAL_POWEROFF)
    return _wait(lambda: not is_on(host), seconds)


def disk_of(host: HostFile) -> Path | None:
    """Return the mounted disk of `host` as a path usable from outside its mount namespace, None if it is off."""
    depth = len(status(os.getpid(), "NSpid"))
    for pid in processes(group(host.lab, host.name)):
        if len(status(pid, "NSpid")) == depth and status(pid, "Name") == ["systemd-nspawn"]:
            return Path(f"/proc/{pid}/root{host.disk}")
    return None


def loops(file: Path) -> list[str]:
    """Return the loop devices of the machine that hold `file`."""
    found = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if backing.read_text().strip().removesuffix(" (deleted)") == str(file):
                found.append(f"/dev/{backing.parent.parent.name}")
    return found


def plug(namespace: str, switch: str, port: str, address: str, mac: str) -> None:
    """Make the network namespace `namespace` afresh and connect its ``host0`` with port `port` of the switch."""
    unplug(namespace, switch, port)
    _run("ip", "netns", "add", namespace)
    lines = (
        f"link add host0 netns {namespace} address {mac} type veth peer name {port} netns {switch}",
        f"-n {namespace} link set lo up",
        f"-n {namespace} addr add {address} dev host0",
        f"-n {namespace} link set host0 up",
        f"-n {switch} link set dev {port} master br0 up",
    )
    for line in lines:
        _run("ip", *line.split())


def unplug(namespace: str, switch: str, port: str) -> None:
    """Remove a cable and the network namespace at its end; nothing happens when there are none."""
    # The kernel takes a namespace apart in its own time, but a link at once: its name is free for the next cable.
    _try("ip", "-n", switch, "link", "delete", "dev", port)
    if Path("/run/netns", namespace).exists():
        _run("ip", "netns", "delete", namespace)


def set_link(switch: str, port: str, up: bool) -> None:
    """Switch a port of the lab's switch on or off; a port that is not there is off."""
    _try("ip", "-n", switch, "link", "set", "dev", port, "up" if up else "down")


def launch(path: str, argv: list[str], log: Path) -> None:
    """Start `argv` as a daemon of its own session in the cgroup `path`; its output is appended to `log`."""
    with log.open("ab") as output:
        subprocess.run(
            ["setsid", "--fork", *in_group(path, argv)],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def kill_group(path: str, seconds: float = 10) -> None:
    """Kill every process of the cgroup `path`. Raise PowerError if one is still there after `seconds`."""
    own = os.getpid()

    def gone() -> bool:
        left = [pid for pid in processes(path) if pid != own]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    with contextlib.suppress(FileNotFoundError):
        set_frozen(path, False)
    if not _wait(gone, seconds):
        raise PowerError(f"processes of {path} cannot be killed: {processes(path)}")


def _cut(host: HostFile) -> None:
    path = group(host.lab, host.name)
    set_link(host.switch, host.name, False)
    disk = disk_of(host)
    if disk:
        with contextlib.suppress(OSError):  # shut down already
            descriptor = os.open(disk, os.O_RDONLY)
            try:
                flags = EXT4_GOING_FLAGS_NOLOGFLUSH.to_bytes(4, sys.byteorder)
                fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, flags)
            finally:
                os.close(descriptor)
    pid = leader(host)
    if pid:
        # Pending while frozen, so that nothing of the host runs between thaw and death.
        os.kill(pid, signal.SIGKILL)
        set_frozen(path, False)
        _wait(lambda: not is_on(host), 2)  # systemd-nspawn follows by itself and tidies up
    kill_group(path)
    unplug(host.namespace, host.switch, host.name)


def start_command(host: HostFile) -> list[str]:
    """Return the command that mounts disk and root of `host` in a mount namespace of its own and boots it."""
    upper = host.disk / "layers" / host.upper
    lower = [str(host.disk / "layers" / layer / "upper") for layer in reversed(host.layers)]
    # redirect_dir: a folder of a lower layer can be renamed, as on any disk (a database is moved aside that way).
    options = f"redirect_dir=on,lowerdir={':'.join([*lower, host.image])},upperdir={upper}/upper,workdir={upper}/work"
    kept = " ".join([*host.layers, host.upper, *host.kept])
    files = [str(host.image_file), str(host.disk), str(upper), kept, options, str(host.root)]
    return [
        "unshare",
        "--mount",
        "--propagation",
        "slave",
        "/bin/sh",
        "-c",
        START,
        "sh",
        *files,
        *_nspawn(host),
    ]


def _nspawn(host: HostFile) -> list[str]:
    return [
        "systemd-nspawn",
        "--quiet",
        f"--directory={host.root}",
        f"--machine={host.machine}",
        f"--hostname={host.name}",
        "--register=no",
        "--keep-unit",
        "--link-journal=no",
        "--timezone=off",  # the clock role sets it; by default nspawn copies the machine's
        "--resolv-conf=off",
        "--capability=CAP_NET_ADMIN,CAP_NET_RAW",
        f"--network-namespace-path=/run/netns/{host.namespace}",
        f"--bind-ro={host.store}:/srv/lpse-packages",
        "--console=read-only",
        "--boot",
    ]


@contextlib.contextmanager
def _switching(host: HostFile) -> Iterator[None]:
    """Hold the host's power switch: the BMC and the lab must not turn it at the same moment."""
    with Path(host.base, "power.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folders(path: Path) -> list[str]:
    """The folders of a cgroup tree, the deepest first; os.walk does not mind those that vanish meanwhile."""
    return [folder for folder, _names, _files in os.walk(path, topdown=False)]


def status(pid: int, key: str) -> list[str]:
    """Return the words of one line of /proc/PID/status, none if there is no such process."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return line.split()[1:]
    return []


def _wait(predicate: Callable[[], object], seconds: float) -> bool:
    # Not lpse_ops.waiting: a script run by the BMC has no package around it.
    deadline = time.monotonic() + seconds * float(os.environ.get("LPSE_OPS_WAIT_SCALE") or 1)
    while not predicate():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PowerError(f"{' '.join(argv[:6])}: {done.stderr.strip() or done.returncode}")


def _try(*argv: str) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def main(arguments: list[str]) -> int:
    """Serve ipmi_sim: ``power.py FOLDER [IPMB] get|set power|reset|shutdown [VALUE]``.

    A get prints ``power:0`` or ``power:1``. Exit code 1, with a word on stderr, for what a lab host cannot do.
    """
    host = load(Path(arguments[0]))
    told = _lie(host)
    words = arguments[1:] if arguments[1] in {"get", "set"} else arguments[2:]
    match words:
        case ["get", "power"]:
            on = told == "on" if told else is_on(host)
            print(f"power:{int(on)}")  # noqa: T201 - the protocol of ipmi_sim
        case ["set", *_] if told:
            pass  # it says that it did
        case ["set", "power", "0"]:
            power_off(host)
        case ["set", "power", "1"]:
            power_on(host)
        case ["set", "reset", *_]:
            power_off(host)
            power_on(host)
        case ["set", "shutdown", *_]:
            shut_down(host)
        case _:
            print(f"{host.name}: cannot {' '.join(words)}", file=sys.stderr)  # noqa: T201 - into the BMC's log
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
