"""Whether a journal is whole to its end: its chain here, and its head (count, hash) on other machines."""

from pathlib import Path
from typing import Any

from lpse_ops.engine.catchup import altered, catch_up, keep_both
from lpse_ops.engine.history import copies_of, relation
from lpse_ops.engine.journal import Event, read_events
from lpse_ops.errors import FaultsFound
from lpse_ops.i18n import _
from lpse_ops.remote import Remote
from lpse_ops.site import Site


def check(site: Site, remote: Remote, folder: Path, run: str) -> dict[str, Any]:
    """Given a run whose journal lies in `folder`, compare it with its copies on the hosts.

    Return ``run, events, hash, anchors`` (how many events each host holds) and ``unseen`` (hosts without a copy, and
    why). Raise FaultsFound with all that is wrong.
    """
    path = folder / f"{run}.jsonl"
    events = read_events(path)
    if faults := _foreign(site, run, events):
        raise FaultsFound(_("The journal is not one of this site."), reasons=faults, hint=keep_both())
    copies = copies_of(remote, list(events[0]["plan"]["hosts"]), run)
    host, longest = copies.longest()
    if relation(events, longest)[0] == "continued":
        catch_up(folder, run, copies)
        events = read_events(path)
    faults = []
    for name, theirs in copies.events.items():
        how, shared = relation(events, theirs)
        if how == "cut":
            faults.append(
                _("%(n)s events are missing at the end: %(host)s holds %(all)s, this journal %(here)s.")
                % {"n": len(theirs) - shared, "host": name, "all": len(theirs), "here": len(events)}
            )
        elif how == "altered" and name == host:
            faults.append(altered(run, name, shared))
    unseen = {name: error.message for name, error in copies.unseen.items()}
    anchors = {name: relation(events, theirs)[1] for name, theirs in copies.events.items()}
    anchored = max(anchors.values(), default=0)
    if not faults and anchored < len(events):
        faults += _unanchored(anchored, len(events), unseen)
    if faults:
        raise FaultsFound(
            _("The journal of run %(run)s cannot be vouched for.") % {"run": run},
            reasons=faults,
            hint=_("Keep the file as it is. `lpse-ops status` shows which hosts answer; then check again."),
        )
    return {
        "run": run,
        "events": len(events),
        "hash": events[-1]["hash"],
        "anchors": anchors,
        "unseen": unseen,
    }


def _foreign(site: Site, run: str, events: list[Event]) -> list[str]:
    if not events or events[0]["type"] != "run-started":
        return [_("The journal of run %(run)s does not begin with the start of a run.") % {"run": run}]
    theirs = events[0]["plan"]["site"]
    if theirs != site.name:
        return [
            _("It is a journal of the site %(theirs)s, not of %(ours)s.")
            % {"theirs": theirs, "ours": site.name}
        ]
    return []


def _unanchored(anchored: int, events: int, unseen: dict[str, str]) -> list[str]:
    words = (
        _("unanchored: no other host holds a copy, so nobody can say whether its end was cut off.")
        if not anchored
        else _("unanchored from event %(n)s on: no other host holds events %(n)s to %(all)s.")
        % {"n": anchored + 1, "all": events}
    )
    return [words, *(f"{host}: {why}" for host, why in unseen.items())]
