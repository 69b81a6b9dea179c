"""Checks known_hosts: a host whose key is not in it cannot be reached, and must not be."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from lpse_ops.i18n import _
from lpse_ops.site.yamlfile import Fault

NAME = "known_hosts"


def check(folder: Path, hosts: Mapping[str, str]) -> Iterator[Fault]:
    """Given an inventory folder and its hosts' addresses, yield a Fault for each host without key or damaged line."""
    try:
        text = (folder / NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        yield Fault(
            NAME, _("this file is missing or cannot be read"), _how(" ".join(hosts.values()) or "HOST")
        )
        return
    patterns: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith("@"):
            if words[0] == "@revoked":
                continue
            words = words[1:]
        if len(words) < 3 or not _is_key(words[1], words[2]):
            yield Fault(NAME, _("this line is not a host key"), _("it is: address, type, key"), line=number)
            continue
        patterns += words[0].split(",")
    for host, address in hosts.items():
        if not any(_matches(pattern, address) or _matches(pattern, host) for pattern in patterns):
            yield Fault(
                NAME,
                _("no key of host %(host)s (%(address)s)") % {"host": host, "address": address},
                _how(address),
            )


def _how(addresses: str) -> str:
    return _(
        "take it with `ssh-keyscan -t ed25519 %(addresses)s`, compare its fingerprint at the host's console, add it"
    ) % {"addresses": addresses}


def _is_key(kind: str, text: str) -> bool:
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return blob[4 : 4 + int.from_bytes(blob[:4], "big")] == kind.encode()


def _matches(pattern: str, name: str) -> bool:
    """Return whether a pattern of known_hosts (plain, wildcard, or hashed: sshd(8)) names a host on port 22."""
    if not pattern.startswith("|1|"):
        return fnmatchcase(name, pattern.removeprefix("[").removesuffix("]:22"))
    try:
        salt, digest = (base64.b64decode(part) for part in pattern[3:].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), hashlib.sha1), digest)
