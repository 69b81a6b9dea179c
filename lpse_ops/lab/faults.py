"""Faults of a host: frozen, or one of its processes gone. (Power: power.py; network: network.py; disk: disk.py.)"""

import contextlib
import os
import signal
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.lab import power
from lpse_ops.lab.power import HostFile

HANG = "hang"  # processes stand still; the kernel still answers ping and accepts connections
PAUSE = "pause"  # as hang, and the link is down too: a paused virtual machine
KINDS = (HANG, PAUSE)


def freeze(host: HostFile, kind: str) -> None:
    """Stop every process of `host` in its tracks. Raise LabError for an unknown kind or a host that is off."""
    if kind not in KINDS:
        raise LabError(
            _("A host cannot be frozen by '%(kind)s'.") % {"kind": kind},
            hint=_("One of: %(kinds)s.") % {"kinds": ", ".join(KINDS)},
        )
    if not power.leader(host):
        raise LabError(_("%(host)s is off; only a running host can be frozen.") % {"host": host.name})
    if kind == PAUSE:
        power.set_link(host.switch, host.name, False)
    power.set_frozen(power.group(host.lab, host.name), True)


def thaw(host: HostFile) -> None:
    """Let a frozen host go on where it stood, its link up again; nothing happens to one that is not frozen."""
    if power.leader(host):
        power.set_frozen(power.group(host.lab, host.name), False)
        power.set_link(host.switch, host.name, True)


def kill(host: HostFile, process: str) -> int:
    """Kill (SIGKILL) the processes of `host` with this name, or whose program has it; return how many.

    PID 1 is not among them: that would be a power cut without its truth. Raise LabError if there is none.
    """
    first = power.leader(host)
    victims = [
        pid for pid in power.processes(power.group(host.lab, host.name)) if _inside(pid) and pid != first
    ]
    named = [pid for pid in victims if process in _names_of(pid)]
    if not named:
        raise LabError(_("%(host)s has no process '%(process)s'.") % {"host": host.name, "process": process})
    for pid in named:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(named)


def _inside(pid: int) -> bool:
    """Whether a process is in a namespace of process ids below ours: the host's own, not the machine's nspawn."""
    return len(power.status(pid, "NSpid")) > len(power.status(os.getpid(), "NSpid"))


def _names_of(pid: int) -> set[str]:
    with contextlib.suppress(OSError):
        folder = Path(f"/proc/{pid}")
        words = (folder / "cmdline").read_bytes().split(b"\0")
        return {(folder / "comm").read_text().strip(), Path(words[0].decode(errors="replace")).name}
    return set()
