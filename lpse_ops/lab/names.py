"""Names and addresses of a lab. Everything a lab owns on a machine can be found by them alone."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.i18n import _

NETWORK = "198.51.100"  # TEST-NET-2 (RFC 5737): never routed, so a mistake stays inside
PREFIX = 24
INTERFACE = "host0"
SERVICE_ADDRESS = f"{NETWORK}.10"
SERVICE_NAME = "spse.lab.example"
NODES = ("node1", "node2")
HOSTS = (*NODES, "repository")
CONTROLLERS = ("controller", "controller2")
BMCS = {"node1": "bmc1", "node2": "bmc2"}
ADDRESSES = {
    "node1": f"{NETWORK}.11",
    "node2": f"{NETWORK}.12",
    "bmc1": f"{NETWORK}.21",
    "bmc2": f"{NETWORK}.22",
    "repository": f"{NETWORK}.30",
    "controller": f"{NETWORK}.41",
    "controller2": f"{NETWORK}.42",
}
NAMESPACES = ("switch", *ADDRESSES)
DEFAULT = "default"
RELEASES = {"12": "bookworm", "13": "trixie"}
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?")


def lab_home() -> Path:
    """Return the folder of all labs on this machine (``LPSE_OPS_LAB_HOME``)."""
    return Path(os.environ.get("LPSE_OPS_LAB_HOME") or "/var/lib/lpse-ops/lab")


def cache_home() -> Path:
    """Return the folder of images and package stores (``LPSE_OPS_CACHE``)."""
    return Path(os.environ.get("LPSE_OPS_CACHE") or "/var/cache/lpse-ops")


def mac_address(host: str) -> str:
    """Return the hardware address of a host: locally administered, the same in every lab and after every boot."""
    return f"02:4c:50:53:45:{int(ADDRESSES[host].rsplit('.', 1)[1]):02x}"


@dataclass(frozen=True)
class LabNames:
    """The names of one lab. Raise LabError if `name` cannot be one."""

    name: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise LabError(
                _("'%(name)s' cannot be the name of a lab.") % {"name": self.name},
                hint=_(
                    "Use 1 to 24 lower-case letters, digits and hyphens, with a letter or digit at both ends."
                ),
            )

    @property
    def state(self) -> Path:
        """The lab's own folder."""
        return lab_home() / self.name

    @property
    def site(self) -> Path:
        """The inventory folder of the lab."""
        return self.state / "site"

    @property
    def lock_file(self) -> Path:
        """Held by whoever builds up or takes down this lab."""
        return lab_home() / f".{self.name}.lock"

    def namespace(self, host: str) -> str:
        """Return the network namespace of `host` (or ``switch``)."""
        return f"lpse-lab-{self.name}-{host}"

    def machine(self, host: str) -> str:
        """Return the machine name of `host` for systemd-nspawn."""
        return f"lpse-{self.name}-{host}"

    def folder(self, host: str) -> Path:
        """Return the folder that holds disk, mounts and description of `host`."""
        return self.state / "hosts" / host

    def bmc_folder(self, node: str) -> Path:
        """Return the folder of the BMC of `node`."""
        return self.state / "bmc" / BMCS[node]


def known_host(host: str, among: tuple[str, ...]) -> str:
    """Return `host` if it is one of `among`. Raise LabError otherwise."""
    if host not in among:
        raise LabError(
            _("There is no host '%(host)s' in a lab.") % {"host": host},
            hint=_("One of: %(hosts)s.") % {"hosts": ", ".join(among)},
        )
    return host


def release_name(release: str) -> str:
    """Given a Debian release number, return its code name. Raise LabError for one the lab does not know."""
    if release not in RELEASES:
        raise LabError(
            _("The lab has no Debian %(release)s.") % {"release": release},
            hint=_("Use --release %(known)s.") % {"known": " / ".join(RELEASES)},
        )
    return RELEASES[release]
