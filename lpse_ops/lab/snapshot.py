"""Snapshots of all hosts: stacked layers. To take one, a layer is closed; to go back, the layers above it are dropped.

Nothing is copied, so both take the seconds that hosts need to stop and start.
"""

import json
from collections.abc import Iterable
from typing import TypedDict

from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.lab import power
from lpse_ops.lab.names import LabNames
from lpse_ops.lab.power import HostFile


class HostState(TypedDict):
    """One host in a snapshot: its closed layers, the lowest first, and whether it was on."""

    layers: list[str]
    powered: bool


Snapshots = dict[str, dict[str, HostState]]


def load(names: LabNames) -> Snapshots:
    """Return the lab's snapshots by label."""
    file = names.state / "snapshots.json"
    return json.loads(file.read_text()) if file.exists() else {}


def store(names: LabNames, snapshots: Snapshots) -> None:
    """Write the lab's snapshots, whole or not at all."""
    file = names.state / "snapshots.json"
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(snapshots, indent=1) + "\n")
    temporary.replace(file)


def get(names: LabNames, label: str) -> dict[str, HostState]:
    """Return the snapshot `label`. Raise LabError, naming those there are, if there is none."""
    snapshots = load(names)
    if label not in snapshots:
        raise LabError(
            _("There is no snapshot '%(label)s'.") % {"label": label},
            hint=_("There are: %(labels)s.") % {"labels": ", ".join(snapshots) or "-"},
        )
    return snapshots[label]


def close_layer(host: HostFile) -> list[str]:
    """Close the top layer of a host that is off and open a new one over it.

    Return the closed layers, the lowest first.
    """
    layers = [*host.layers, host.upper]
    power.save(host._replace(layers=layers, upper=_next(host.upper)))
    return layers


def back_to(host: HostFile, layers: list[str], kept: Iterable[str]) -> None:
    """Put a host that is off on `layers` with a new one on top.

    Its layers that no snapshot has (`kept` are those of all snapshots) go when it is switched on.
    """
    others = tuple(sorted({*kept} - {*layers}, key=int))
    top = _next(max((host.upper, *layers, *others), key=int))
    power.save(host._replace(layers=layers, upper=top, kept=others))


def _next(layer: str) -> str:
    return str(int(layer) + 1)
