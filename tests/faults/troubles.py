"""What is wrong beside the main fault of a soak's round, and taking back whatever was done to a lab."""

import contextlib
from collections.abc import Callable

from lpse_ops.drill.prepare import on_host
from lpse_ops.errors import LabError, StepFailed
from lpse_ops.lab.lab import Lab
from tests.drills.bench import sql

HOSTS = ("node1", "node2", "repository")
NODES = ("node1", "node2")
CONTROLLERS = ("controller", "controller2")
ZONE = "ln -sfn /usr/share/zoneinfo/{zone} /etc/localtime"
LEAVE_MB = 8
# A database that was killed stays down until somebody starts it, as its package has it. The locks decide again.
FAILED = "systemctl list-units --failed --plain --no-legend 'postgresql@*'"
START_AGAIN = FAILED + " | cut -d' ' -f1 | xargs -r systemctl restart"

Trouble = Callable[[Lab, str, str], object]  # given a lab, its active node and its standby


def _zone(lab: Lab, host: str, zone: str) -> None:
    on_host(lab, host, ["sh", "-c", ZONE.format(zone=zone)])


def _unseen(lab: Lab, host: str) -> None:
    for controller in CONTROLLERS:
        lab.partition(host, controller)


# By what a round says of it: how often (a weight), and how it is done.
TROUBLES: dict[str, tuple[int, Trouble]] = {
    "nothing": (14, lambda lab, active, standby: None),
    "the standby's zone is wrong": (2, lambda lab, active, standby: _zone(lab, standby, "UTC")),
    "replay is paused": (2, lambda lab, active, standby: sql(lab, standby, "SELECT pg_wal_replay_pause()")),
    "the standby's disk is full": (1, lambda lab, active, standby: lab.fill_disk(standby, LEAVE_MB)),
    "the repository's disk is full": (1, lambda lab, active, standby: lab.fill_disk("repository")),
    "no controller sees the repository": (1, lambda lab, active, standby: _unseen(lab, "repository")),
    "no controller sees the standby": (1, lambda lab, active, standby: _unseen(lab, standby)),
    "the standby has no power": (1, lambda lab, active, standby: lab.power_cut(standby)),
}


def mend(lab: Lab) -> None:
    """Take everything back that can be done to a lab: network, frozen hosts, power, full disks, zone, killed databases,
    paused replay.
    """
    lab.heal()
    for node in NODES:
        lab.thaw(node)
        lab.power_on(node)
    for host in HOSTS:
        lab.free_disk(host)
    for node in NODES:
        _zone(lab, node, "Asia/Jakarta")
        with contextlib.suppress(LabError, StepFailed):  # a node that must not serve refuses
            on_host(lab, node, ["sh", "-c", START_AGAIN])
        with contextlib.suppress(LabError, StepFailed):  # its database may be down, and is looked at later
            sql(lab, node, "SELECT pg_wal_replay_resume() WHERE pg_is_in_recovery()")
