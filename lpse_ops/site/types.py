"""Types of single values in an inventory: what a string must look like to be an address, a name, a key."""

import base64
import binascii
import ipaddress
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from lpse_ops.i18n import _

KEY_TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
# Read in the sources of fence-agents 4.12: which program they hand the secret to as an argument.
LEAKING_AGENTS = {
    "ipmitool": frozenset(
        f"fence_{name}" for name in ("ipmilan", "ipmilanplus", "idrac", "ilo3", "ilo4", "ilo5", "imm")
    ),
    "snmpget": frozenset(
        f"fence_{name}"
        for name in (
            "apc_snmp",
            "cisco_mds",
            "eaton_snmp",
            "emerson",
            "ibmblade",
            "ifmib",
            "intelmodular",
            "ipdu",
            "lindypdu",
            "tripplite_snmp",
        )
    ),
    "vmware_helper": frozenset({"fence_vmware"}),
}
INDONESIAN_ZONES = ("Asia/Jakarta", "Asia/Pontianak", "Asia/Makassar", "Asia/Jayapura")


def fault(message: str) -> PydanticCustomError:
    """Given a translated message, return the error a validator raises (braces in it are literal)."""
    return PydanticCustomError("lpse", "{message}", {"message": message})


def _address(value: str) -> str:
    try:
        address = ipaddress.IPv4Address(value)
    except ValueError:
        raise fault(_("this is not an IPv4 address like 192.0.2.10")) from None
    if address.is_multicast or address.is_loopback or address.is_unspecified:
        raise fault(_("this is a loopback, multicast or empty address; hosts cannot be reached there"))
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        pass
    else:
        return value
    try:
        suggestion = str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise fault(_("this is not a network like 192.0.2.0/24")) from None
    raise fault(
        _("this is an address inside a network, not the network; did you mean %(network)s?")
        % {"network": suggestion}
    )


def _public_key(value: str) -> str:
    words = value.split()
    if len(words) < 2 or words[0] not in KEY_TYPES:
        raise fault(_("this is not an SSH public key like 'ssh-ed25519 AAAA... name'"))
    try:
        blob = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        raise fault(_("this SSH public key is damaged (its middle part is not base64)")) from None
    length = int.from_bytes(blob[:4], "big")
    if blob[4 : 4 + length] != words[0].encode():
        raise fault(_("this SSH public key is damaged (its middle part is of another type)"))
    return value


@cache
def _zone_exists(value: str) -> bool:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _time_zone(value: str) -> str:
    if value not in INDONESIAN_ZONES and not _zone_exists(value):
        raise fault(_("there is no such time zone"))
    return value


def _agent(value: str) -> str:
    """An agent that shows its secret to everybody who can list processes is refused; so are its other names."""
    program = next((program for program, names in LEAKING_AGENTS.items() if value in names), None)
    if program is None:
        return value
    if program == "ipmitool":
        raise fault(_("this agent puts the password on the command line of ipmitool; use `bmc` instead"))
    raise fault(
        _("this agent puts the password on the command line of %(program)s; take one of another protocol")
        % {"program": program}
    )


def _absolute(value: str) -> str:
    if "/../" in f"{value}/" or "//" in value:
        raise fault(_("a path must not hold '..' or '//'"))
    return value


def _relative(value: str) -> str:
    if "/../" in f"/{value}/":
        raise fault(_("a file of the inventory must lie in the inventory folder (no '..')"))
    return value


Address = Annotated[str, AfterValidator(_address)]
AgentName = Annotated[str, Field(pattern=r"^fence_[a-z0-9_]{1,40}$"), AfterValidator(_agent)]
# What goes to a fence agent as KEY=VALUE lines, and through JSON without escapes: printable, no quotes, no backslash.
AgentOption = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,60}$")]
PlainText = Annotated[str, Field(pattern=r"^[ !#-\[\]-~]*$", max_length=500)]
AddressNetwork = Annotated[str, AfterValidator(_network)]
AbsolutePath = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._-]+)+$"), AfterValidator(_absolute)]
RelativePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-][A-Za-z0-9._/-]*$"), AfterValidator(_relative)]
ContextPath = Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$")]
Hostname = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$", max_length=253
    ),
]
# A role or database name that never needs quoting in SQL.
Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]
InterfaceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$")]
# Also the name of a replication slot (letters, digits, underscore) and of a host (letters, digits, hyphen).
NodeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,30}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
PublicKey = Annotated[str, AfterValidator(_public_key)]
SiteName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
UserName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,30}$")]
