"""The programs of the machine that a lab needs, and running them."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.i18n import _

Report = Callable[[str], None]  # is told what the lab does now, one line each

TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "mkfs.ext4": "e2fsprogs",
    "ip": "iproute2",
    "nft": "nftables",
    "nsenter": "util-linux",
    "setsid": "util-linux",
    "losetup": "mount",
    "ipmi_sim": "openipmi",
    "ipmitool": "ipmitool",
    "gpg": "gnupg",
    "dpkg-deb": "dpkg",
    "apt-config": "apt",
    "javac": "default-jdk-headless",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}
# The kernel's default of 128 is for one machine; a booted host takes about ten, all of them as the same root.
INOTIFY_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
INOTIFY_INSTANCES = 2048
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def require_root() -> None:
    """Raise LabError unless this process is root: a lab makes namespaces and mounts."""
    if os.geteuid() != 0:
        raise LabError(
            _("A lab needs root: it makes network namespaces, mounts and control groups."),
            hint=_("Run the same command with sudo."),
        )


def missing_tools() -> dict[str, str]:
    """Return the missing programs, each with the Debian package that holds it."""
    return {tool: package for tool, package in TOOLS.items() if not shutil.which(tool, path=PATH)}


def require_tools() -> None:
    """Raise LabError, naming the packages to install, if a program is missing."""
    missing = missing_tools()
    if missing:
        raise LabError(
            _("These programs are missing: %(tools)s.") % {"tools": ", ".join(sorted(missing))},
            hint=_("Install them: apt-get install %(packages)s")
            % {"packages": " ".join(sorted(set(missing.values())))},
        )


def require_space(folder: Path, megabytes: int) -> None:
    """Raise LabError if the file system of `folder` has less than `megabytes` MB free."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free // 1_000_000
    if free < megabytes:
        raise LabError(
            _("%(folder)s has %(free)d MB free; %(need)d MB are needed.")
            % {"folder": folder, "free": free, "need": megabytes},
            hint=_(
                "Free some space, or set LPSE_OPS_LAB_HOME and LPSE_OPS_CACHE to folders on another disk."
            ),
        )


def allow_many_hosts(report: Report) -> None:
    """Raise the machine's limit of inotify instances where it is too low for labs side by side, and say so.

    Without it systemd in the last hosts to boot stops half-way ("Too many open files"). A reboot undoes it.
    """
    limit = int(INOTIFY_LIMIT.read_text())
    if limit >= INOTIFY_INSTANCES:
        return
    try:
        INOTIFY_LIMIT.write_text(str(INOTIFY_INSTANCES))
    except OSError:
        return  # not ours to set (a container): a lab or two fit in
    report(
        _("Raised fs.inotify.max_user_instances of this machine from %(old)d to %(new)d.")
        % {"old": limit, "new": INOTIFY_INSTANCES}
    )


def run(argv: Sequence[str], *, text: str | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program of the machine, `text` on its stdin; return its stdout.

    Raise LabError with what it wrote to stderr if it fails.
    """
    done = subprocess.run(
        list(argv),
        input=text,
        stdin=None if text is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=env or tool_environment(),
    )
    if done.returncode:
        raise LabError(
            _("%(program)s failed (exit code %(code)d): %(error)s")
            % {"program": argv[0], "code": done.returncode, "error": done.stderr.strip()[-800:]}
        )
    return done.stdout


def tool_environment() -> dict[str, str]:
    """Return an environment for the machine's programs: theirs in English, no virtual environment in front."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "PYTHON", "VIRTUAL_ENV"))}
    return {**kept, "PATH": PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
