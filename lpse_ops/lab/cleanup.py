"""Taking a lab down, whatever is left of it: all is found by its names, so nothing depends on a state file.

Order: what could start something (BMCs, builders) dies first, then hosts, then what lives in the lab's networks;
loop devices, namespaces, control groups and files follow.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.lab import cache, inventory, power, tools
from lpse_ops.lab.names import BMCS, HOSTS, NAMESPACES, LabNames
from lpse_ops.waiting import wait_until

_NSPAWN = Path("/run/systemd/nspawn")


def down(names: LabNames) -> list[str]:
    """Remove everything of a lab; return what there was (nothing if there was no lab).

    Raise LabError, naming it, if something cannot be removed.
    """
    found = leftovers(names)
    cache.clear_interrupted()
    inventory.close_connections(names)
    for bmc in BMCS.values():
        power.kill_group(power.group(names.name, bmc))
    for host in HOSTS:
        power.set_link(names.namespace("switch"), host, False)
    power.kill_group(power.group(names.name))
    _kill_in_namespaces(names)
    _unmount(names)
    wait_until(
        lambda: not _loops(names), 5, every=0.02
    )  # they go with the mounts of the hosts, a moment later
    for device in _loops(names):
        with contextlib.suppress(LabError):  # a device with autoclear may go by itself in this moment
            tools.run(["losetup", "--detach", device])
    for namespace in _namespaces(names):
        _delete_namespace(namespace)
    for host in HOSTS:
        for kind in ("propagate", "unix-export"):
            shutil.rmtree(_NSPAWN / kind / names.machine(host), ignore_errors=True)
    wait_until(lambda: _remove_groups(names), 5, every=0.02)
    if names.state.exists():
        shutil.rmtree(names.state)
    left = leftovers(names)
    if left:
        raise LabError(
            _("Something of the lab is still there."),
            reasons=left,
            hint=_("Close what uses it (a shell in the lab's network, a mount made by hand) and try again."),
        )
    return found


def leftovers(names: LabNames) -> list[str]:
    """Return everything that exists on this machine of a lab, one line each."""
    found = [
        f"process {pid}" for pid in sorted({*power.processes(power.group(names.name)), *_residents(names)})
    ]
    found += [f"mount {path}" for path in _mounts(names)]
    found += [f"loop device {device}" for device in _loops(names)]
    found += [f"network namespace {namespace}" for namespace in _namespaces(names)]
    found += [f"control group {path}" for path in _groups(names)]
    return found + ([f"folder {names.state}"] if names.state.exists() else [])


def _residents(names: LabNames) -> list[int]:
    """The processes that live in a network of the lab, but for this one and those that started it."""
    own = _ancestors()
    networks = set()
    for namespace in _namespaces(names):
        with contextlib.suppress(OSError):
            networks.add(Path("/run/netns", namespace).stat().st_ino)
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "ns/net").stat().st_ino in networks and int(folder.name) not in own:
                found.append(int(folder.name))
    return found


def _ancestors() -> set[int]:
    pid, found = os.getpid(), set()
    while pid > 0:
        found.add(pid)
        parent = power.status(pid, "PPid")
        pid = int(parent[0]) if parent else 0
    return found


def _kill_in_namespaces(names: LabNames) -> None:
    def gone() -> bool:
        left = _residents(names)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    wait_until(gone, 10, every=0.02)


def _mounts(names: LabNames) -> list[str]:
    prefix = str(names.state) + "/"
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [mount for mount in mounts if mount.startswith(prefix)]


def _unmount(names: LabNames) -> None:
    """The hosts' mounts go with them; this is for what was mounted by hand to look at a disk."""
    for mount in reversed(_mounts(names)):
        subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)


def _loops(names: LabNames) -> list[str]:
    return [device for host in HOSTS for device in power.loops(names.folder(host) / "disk.img")]


def _namespaces(names: LabNames) -> list[str]:
    every = [names.namespace(host) for host in NAMESPACES]
    return [namespace for namespace in every if Path("/run/netns", namespace).exists()]


def _delete_namespace(namespace: str) -> None:
    try:
        tools.run(["ip", "netns", "delete", namespace])
    except LabError:  # the file without the mount: killed between the two
        Path("/run/netns", namespace).unlink(missing_ok=True)


def _groups(names: LabNames) -> list[str]:
    paths = (hierarchy / power.group(names.name) for hierarchy in power.hierarchies())
    return [str(path) for path in paths if path.exists()]


def _remove_groups(names: LabNames) -> bool:
    power.remove_group(power.group(names.name))
    return not _groups(names)
