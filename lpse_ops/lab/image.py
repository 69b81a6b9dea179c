"""The image of a bare host: Debian as the installer leaves it, with SSH and Python, and nothing of the service."""

import uuid
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.lab import apt, cache, tools
from lpse_ops.lab.names import RELEASES, release_name

PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",
    "sudo",
    "iproute2",
    "ca-certificates",
)
MEGABYTES = 700
# What a real host has from its installer: its own address at boot; what was added by hand since the last one is gone.
NETWORK_UNIT = """\
[Unit]
Description=Address of this host
DefaultDependencies=no
Before=network.target network-pre.target
Wants=network-pre.target
After=local-fs.target
ConditionPathExists=/etc/lab-network

[Service]
Type=oneshot
RemainAfterExit=yes
EnvironmentFile=/etc/lab-network
ExecStart=/usr/sbin/ip address flush dev host0 scope global
ExecStart=/usr/sbin/ip address add ${ADDRESS} dev host0
ExecStart=/usr/sbin/ip link set host0 up

[Install]
WantedBy=sysinit.target
"""
# Like an installer: no flush after every unpacked file. A host's disk is a file here, and everything before the first
# snapshot can be made anew.
DPKG_SETTINGS = "force-unsafe-io\n"
# Units that have nothing to do in a container and would only cost time or fail there.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-networkd-wait-online.service",
)


def recipe(release: str) -> dict[str, object]:
    """Return what the image of Debian `release` is made from; its hash is the key of the cache."""
    return {
        "version": 3,
        "release": release_name(release),
        "packages": list(PACKAGES),
        "network": NETWORK_UNIT,
        "dpkg": DPKG_SETTINGS,
        "masked": list(MASKED),
    }


def image(release: str, report: tools.Report) -> Path:
    """Return the cache entry of the image of Debian `release` (its tree is in ``root``), building it if need be."""

    def build(folder: Path, group: str) -> None:
        report(_("Building the image of Debian %(release)s (about a minute) ...") % {"release": release})
        sources = apt.debian_sources(release)
        options = [f"--aptopt={option}" for option in apt.acquire_options()]
        argv = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(PACKAGES)}", *options]
        argv += [RELEASES[release], str(folder / "root"), *(source.line() for source in sources)]
        try:
            cache.run_in(group, argv, report)
        except LabError as error:
            raise apt.explain(release, error) from None
        _finish(folder / "root")
        (folder / "build-id").write_text(uuid.uuid4().hex + "\n")

    return cache.entry("images", recipe(release), MEGABYTES, build, report)


def _finish(root: Path) -> None:
    """Make the tree fit for many hosts: no identity, no mirror, its network unit."""
    for pattern in (
        "etc/ssh/ssh_host_*",
        "etc/apt/sources.list",
        "etc/apt/sources.list.d/*",
        "var/log/*.log",
    ):
        for file in root.glob(pattern):
            file.unlink()
    for name in ("etc/machine-id", "etc/hostname", "etc/resolv.conf"):
        (root / name).unlink(missing_ok=True)
        (root / name).write_text("")
    units = root / "etc/systemd/system"
    (units / "lab-network.service").write_text(NETWORK_UNIT)
    (units / "sysinit.target.wants").mkdir(parents=True, exist_ok=True)
    (units / "sysinit.target.wants/lab-network.service").symlink_to("../lab-network.service")
    for unit in MASKED:
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    (root / "etc/dpkg/dpkg.cfg.d/lab").write_text(DPKG_SETTINGS)
    (root / "srv/lpse-packages").mkdir(exist_ok=True)
