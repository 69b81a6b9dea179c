"""What the soak does to a lab: the blows and troubles that `tests.faults.rounds` names, and taking all of them back."""

import contextlib
import json
import time
from collections.abc import Callable

from lpse_ops.drill.prepare import on_host
from lpse_ops.errors import LabError
from lpse_ops.lab.faults import HANG, PAUSE
from lpse_ops.lab.lab import Lab
from tests.drills.bench import sql

HOSTS = ("node1", "node2", "repository")
NODES = ("node1", "node2")
ZONE = "ln -sfn /usr/share/zoneinfo/{zone} /etc/localtime"
LINKS_S = 2.0  # so long the nodes do not see each other before the power goes


def _links_then_power(lab: Lab, active: str, standby: str) -> None:
    lab.partition(active, standby)
    time.sleep(LINKS_S)  # the load goes on meanwhile: what is written now, the standby never sees
    lab.power_cut(active)


def _disk_full(lab: Lab, host: str) -> None:
    lab.fill_disk(host)


def _kill(lab: Lab, host: str, process: str) -> None:
    with contextlib.suppress(LabError):  # it may have died of another fault
        lab.kill(host, process)


def _replay_paused(lab: Lab, standby: str) -> None:
    if lab.is_on(standby):
        sql(lab, standby, "SELECT pg_wal_replay_pause()")


def _zone(lab: Lab, host: str, zone: str) -> None:
    on_host(lab, host, ["sh", "-c", ZONE.format(zone=zone)])


def _controllers_network(lab: Lab, active: str) -> None:
    """The controllers and the active node do not see each other; all others see both."""
    lab.partition("controller", active)
    lab.partition("controller2", active)


def _repository_unreachable(lab: Lab) -> None:
    for controller in ("controller", "controller2"):
        lab.partition("repository", controller)


_BLOWS: dict[str, Callable[[Lab, str, str], object]] = {
    "power-cut": lambda lab, active, standby: lab.power_cut(active),
    "hang": lambda lab, active, standby: lab.freeze(active, HANG),
    "pause": lambda lab, active, standby: lab.freeze(active, PAUSE),
    "isolate": lambda lab, active, standby: lab.partition(active),
    "deaf": lambda lab, active, standby: lab.partition(active, one_way=True),
    "links-then-power": _links_then_power,
    "kill-postgres": lambda lab, active, standby: _kill(lab, active, "postgres"),
    "kill-application": lambda lab, active, standby: _kill(lab, active, "java"),
    "disk-full": lambda lab, active, standby: _disk_full(lab, active),
    "nothing": lambda lab, active, standby: None,
}
_TROUBLES: dict[str, Callable[[Lab, str, str], object]] = {
    "none": lambda lab, active, standby: None,
    "standby-zone": lambda lab, active, standby: _zone(lab, standby, "UTC"),
    "standby-disk-full": lambda lab, active, standby: _disk_full(lab, standby),
    "repository-disk-full": lambda lab, active, standby: _disk_full(lab, "repository"),
    "repository-unreachable": lambda lab, active, standby: _repository_unreachable(lab),
    "replay-paused": lambda lab, active, standby: _replay_paused(lab, standby),
    "standby-power-cut": lambda lab, active, standby: lab.power_cut(standby),
    "controllers-network": lambda lab, active, standby: _controllers_network(lab, active),
}


def strike(lab: Lab, blow: str, trouble: str, active: str, standby: str) -> None:
    """Do both; the trouble is there before the blow falls."""
    _TROUBLES[trouble](lab, active, standby)
    _BLOWS[blow](lab, active, standby)


def mend(lab: Lab, power: tuple[str, ...] = ()) -> None:
    """Take back whatever was done: network, frozen hosts, full disks, zones; `power`: hosts to switch on."""
    lab.heal()
    for host in HOSTS:
        if lab.is_on(host):
            lab.thaw(host)
    for host in power:
        lab.power_on(host)
    for host in HOSTS:
        if lab.is_on(host):
            lab.free_disk(host)
    for node in NODES:
        if lab.is_on(node):
            with contextlib.suppress(LabError):
                _zone(lab, node, "Asia/Jakarta")
                sql(lab, node, "SELECT pg_wal_replay_resume() WHERE pg_is_in_recovery()")


def record_of(lab: Lab, host: str) -> dict[str, object]:
    """Return the epoch record of a host ({} if it is off or has none)."""
    with contextlib.suppress(LabError, ValueError):
        shown = lab.run(host, ["/usr/local/sbin/lpse-node", "epoch", "show"])
        return dict(json.loads(shown.stdout).get("record") or {})
    return {}


def active_node(lab: Lab) -> str:
    """Return the node that the highest record on any voter names. Raise AssertionError if there is none."""
    records = [record for host in HOSTS if (record := record_of(lab, host))]
    assert records, "no host shows an epoch record"
    return str(max(records, key=lambda record: int(str(record["epoch"])))["active"])
