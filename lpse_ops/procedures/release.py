"""May an operator's word open a node that its guard holds? Read from what can be seen, with every reason against it."""

from collections.abc import Iterator

from lpse_ops.i18n import _
from lpse_ops.observe.facts import NodeState
from lpse_ops.observe.site import SiteObservation
from lpse_ops.site import Site

OPEN = ("active", "released")


def against_release(site: Site, seen: SiteObservation, node: str) -> list[str]:
    """Given a site, what was seen of it and the node to release, return all reasons why not (none: it may be).

    The node itself refuses too, by what it sees; this adds what only the controller can: the other hosts, the power.
    """
    state = seen.state(node)
    if state is None:
        return [
            _("%(host)s could not be seen: %(why)s") % {"host": node, "why": seen.hosts[node].error},
            *_elsewhere(site, seen, node, 0),
        ]
    epoch = state.record.epoch if state.record else 0
    return [*_not_held(state, node), *_elsewhere(site, seen, node, epoch)]


def already_open(seen: SiteObservation, node: str) -> bool:
    """Return whether the guard of the node has let it open."""
    state = seen.state(node)
    return bool(state and state.guard and state.guard.open and state.guard.state in OPEN)


def _not_held(state: NodeState, node: str) -> Iterator[str]:
    guard, record = state.guard, state.record
    if record is None:
        yield _("%(node)s has no readable epoch record; on its console: lpse-node epoch adopt.") % {
            "node": node
        }
    elif record.active != node:
        yield _("The epoch record of %(node)s (epoch %(epoch)s) names %(active)s active, not %(node)s.") % {
            "node": node,
            "epoch": record.epoch,
            "active": record.active,
        }
    if guard is None or guard.state != "holding":
        yield _("The guard of %(node)s does not hold: it is %(state)s (%(reason)s).") % {
            "node": node,
            "state": guard.state if guard else "none",
            "reason": (guard.reason if guard else None) or "-",
        }


def _elsewhere(site: Site, seen: SiteObservation, node: str, epoch: int) -> Iterator[str]:
    """Yield what the other hosts have against it. Where one cannot be seen, only its power can."""
    for name, view in seen.hosts.items():
        if name == node:
            continue
        record = view.state.record if view.state else None
        if record and (record.epoch > epoch or (record.epoch == epoch and record.active != node)):
            yield _("%(host)s knows epoch %(epoch)s, in which %(active)s is active.") % {
                "host": name,
                "epoch": record.epoch,
                "active": record.active,
            }
        database = view.state.database if view.state else None
        if database and database.running and database.in_recovery is False:
            yield _("The database of %(host)s is open for writes.") % {"host": name}
    other = site.other(node)
    power = seen.power.get(other)
    if seen.state(other) is None and power is not None and power.state == "on":
        yield _(
            "%(other)s has power but cannot be seen: it may be the active one. Look at its console, or switch it off."
        ) % {"other": other}
