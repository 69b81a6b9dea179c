"""The service as the public meets it: through the service address, from the controller."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lpse_ops.verification.expected import Order
from lpse_ops.verification.facts import ACTIVE, Host
from lpse_ops.verification.web import Door


@dataclass(frozen=True)
class Outside:
    """The service address, and the host that should be behind it."""

    name: str
    active: Host
    door: Door


def look(order: Order, hosts: Mapping[str, Host]) -> list[Outside]:
    """Return the view from outside: none when it is not wanted or the active node is not among the hosts."""
    active = next((host for host in hosts.values() if host.role == ACTIVE), None)
    if active is None or not order.outside:
        return []
    expected = order.expected
    door = Door(expected.service_address, expected.server_name, Path(expected.certificate))
    return [Outside("service", active, door)]


@lru_cache(maxsize=16)
def door_of(address: str, server_name: str, certificate: str) -> Door:
    """Return the (one) door at an address, so that tests share its answers."""
    return Door(address, server_name, Path(certificate))


def own_door(host: Host) -> Door:
    """Return a node's proxy at the node's own address."""
    return door_of(host.address, host.expected.server_name, host.expected.certificate)
