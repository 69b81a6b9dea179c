"""Which account of a host can be logged in to now: lpse-admin, or the first login before it exists."""

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lpse_ops.errors import HostKeyError, LpseError, Refused, UnreachableError
from lpse_ops.i18n import _
from lpse_ops.waiting import scaled

if TYPE_CHECKING:
    from lpse_ops.site import Site

ADMIN = "lpse-admin"
TIMEOUT_S = 5
NO_ROOT = "sudo: "  # so begins what sudo says, and a shell that finds no sudo: "sh: 1: sudo: not found"
_CHANGED = ("REMOTE HOST IDENTIFICATION HAS CHANGED", "Host key verification failed", "host key is known")


@dataclass(frozen=True)
class Login:
    """What asking one host brought: the account that lets us in, or why none does."""

    host: str
    user: str | None
    error: LpseError | None = None


def find_logins(site: "Site", hosts: Sequence[str]) -> dict[str, Login]:
    """Given a site and names of its hosts, return for each who can log in, all asked side by side.

    Asked with OpenSSH as Ansible does: the same key, the site's own known_hosts, strictly. Raise nothing for a host
    that does not let us in; its `Login.error` says why.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        return {login.host: login for login in pool.map(lambda host: _find(site, host), hosts)}


def _find(site: "Site", host: str) -> Login:
    complaints: list[tuple[str, str]] = []
    for user in dict.fromkeys([ADMIN, site.access.bootstrap_user]):
        said = _try(site, host, user)
        if not said:
            return Login(host, user)
        complaints.append((user, said))
        # Without root rights it may be half made: an interrupted first run is gone on with by the first login.
        if "Permission denied" not in said and NO_ROOT not in said:
            break
    telling = [each for each in complaints if NO_ROOT in each[1]] or complaints[-1:]
    return Login(host, None, _explain(site, host, *telling[0]))


def _try(site: "Site", host: str, user: str) -> str:
    """Log in, become root, and out again; return what ssh or sudo complained about, empty if neither did."""
    argv = ["ssh", "-F", "/dev/null", "-T", "-l", user]
    options = [
        "BatchMode=yes",
        "LogLevel=ERROR",  # no banner among what is said
        f"ConnectTimeout={round(scaled(TIMEOUT_S))}",
        "StrictHostKeyChecking=yes",
        f'UserKnownHostsFile="{site.known_hosts}"',
        "GlobalKnownHostsFile=/dev/null",
        "PreferredAuthentications=publickey",
        "ControlPath=none",
    ]
    if site.identity_file:
        options += [f'IdentityFile="{site.identity_file}"', "IdentitiesOnly=yes"]
    for option in options:
        argv += ["-o", option]
    try:
        done = subprocess.run(
            [*argv, site.hosts[host], '[ "$(id -u)" -eq 0 ] || sudo -n true'],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=scaled(TIMEOUT_S * 3),
        )
    except subprocess.TimeoutExpired:
        return _("no answer in time")
    return "" if done.returncode == 0 else done.stderr.strip() or _("it closed the connection")


def _explain(site: "Site", host: str, user: str, said: str) -> LpseError:
    words = {
        "host": host,
        "user": user,
        "address": site.hosts[host],
        "said": said.splitlines()[-1],
        "file": site.known_hosts,
    }
    if any(mark in said for mark in _CHANGED):
        return HostKeyError(
            _("%(host)s (%(address)s) shows a host key that %(file)s does not name.") % words,
            hint=_(
                "A machine set up anew, or an impostor. Compare the fingerprint at its console, then replace the line."
            ),
        )
    if NO_ROOT in said:
        return Refused(
            _("%(host)s lets %(user)s in, but gives it no root rights: %(said)s") % words,
            hint=_("At its console, as root, let %(user)s use sudo without a password: see /etc/sudoers.d.")
            % words,
        )
    if "Permission denied" in said:
        return Refused(
            _("%(host)s admits neither %(admin)s nor %(first)s with the technician's key.")
            % {**words, "admin": ADMIN, "first": site.access.bootstrap_user},
            hint=_(
                "Put the public key into the authorized_keys of %(first)s on %(host)s, then run this again."
            )
            % {**words, "first": site.access.bootstrap_user},
        )
    return UnreachableError(
        _("Host %(host)s does not answer on SSH: %(said)s") % words,
        hint=_("Check power, cable and switch port of %(host)s, and that its ssh service runs.") % words,
    )
