"""The network of a lab: one switch (a bridge in a namespace of its own), a cable for every host, and cuts in it."""

import contextlib
import ctypes
import os
import socket
import threading
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.lab import power, tools
from lpse_ops.lab.names import ADDRESSES, PREFIX, LabNames, mac_address

_TABLE = "lpse_lab"
_CLONE_NEWNET = 0x40000000


def create_switch(names: LabNames) -> None:
    """Make the switch of the lab, with the (empty) rules for partitions."""
    switch = names.namespace("switch")
    tools.run(["ip", "netns", "add", switch])
    for line in (
        "link set lo up",
        "link add br0 type bridge stp_state 0 mcast_snooping 0",
        "link set br0 up",
    ):
        tools.run(["ip", "-n", switch, *line.split()])
    _nft(names, f"table bridge {_TABLE} {{ chain forward {{ type filter hook forward priority 0; }}; }}")


def connect(names: LabNames, host: str) -> None:
    """Make the namespace of `host` and connect it with the switch (afresh if it exists)."""
    power.plug(
        names.namespace(host),
        names.namespace("switch"),
        host,
        f"{ADDRESSES[host]}/{PREFIX}",
        mac_address(host),
    )


def partition(names: LabNames, one: str, other: str | None, one_way: bool) -> None:
    """Drop what goes from `one` to `other` (None: to anybody) and, unless `one_way`, the other way round too."""
    rules = [f'iifname "{one}"' + (f' oifname "{other}"' if other else "")]
    if not one_way:
        rules.append(f'oifname "{one}"' + (f' iifname "{other}"' if other else ""))
    _nft(names, "".join(f"add rule bridge {_TABLE} forward {rule} counter drop\n" for rule in rules))


def heal(names: LabNames) -> None:
    """Undo every partition."""
    _nft(names, f"flush chain bridge {_TABLE} forward\n")


def partitions(names: LabNames) -> list[str]:
    """Return the rules of the partitions in force, as nftables prints them."""
    listing = tools.run(["nsenter", _net(names.namespace("switch")), "nft", "--stateless", "list", "ruleset"])
    return [line.strip() for line in listing.splitlines() if line.strip().endswith("drop")]


def link_up(names: LabNames, host: str) -> bool:
    """Return whether the switch's port of `host` is on."""
    with contextlib.suppress(LabError):
        show = tools.run(["ip", "-n", names.namespace("switch"), "-o", "link", "show", "dev", host])
        return ",UP" in show.partition(">")[0] + ","
    return False


def banner(
    names: LabNames, address: str, seconds: float = 1.0, port: int = 22, seen_from: str = "controller"
) -> str:
    """Return the first line a service at `address` says, seen from a host of the lab; '' if there is none in time."""
    try:
        with connect_from(names.namespace(seen_from), address, port, seconds) as connection:
            return connection.recv(200).decode(errors="replace").strip()
    except OSError:
        return ""


def connect_from(namespace: str, address: str, port: int, seconds: float) -> socket.socket:
    """Return a TCP connection made from inside a network namespace. Raise OSError if it cannot be made in time."""
    made: list[socket.socket] = []
    failed: list[OSError] = []

    def make() -> None:
        # A thread of its own: it alone changes the namespace, and it ends with that.
        try:
            descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            made.append(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    connection = made[0]
    connection.settimeout(seconds)
    try:
        connection.connect((address, port))
    except OSError:
        connection.close()
        raise
    return connection


def remove(names: LabNames, host: str) -> None:
    """Remove the namespace of `host`; nothing happens when there is none."""
    if Path("/run/netns", names.namespace(host)).exists():
        tools.run(["ip", "netns", "delete", names.namespace(host)])


def _net(namespace: str) -> str:
    return f"--net=/run/netns/{namespace}"


def _nft(names: LabNames, rules: str) -> None:
    tools.run(["nsenter", _net(names.namespace("switch")), "nft", "-f", "-"], text=rules)
