"""``lpse-ops divergence``: what only the node that was active before holds."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lpse_ops.cli.options import (
    LanguageOption,
    OutputMode,
    OutputOption,
    SiteOption,
    VaultPasswordOption,
    open_site,
)
from lpse_ops.cli.output import emit, said_if_slow
from lpse_ops.errors import AttentionNeeded, FaultsFound, Refused
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from lpse_ops.observe.divergence import Fork
    from lpse_ops.observe.facts import Database
    from lpse_ops.observe.site import SiteObservation
    from lpse_ops.remote import Remote
    from lpse_ops.site import Site

WAL_S = 320.0
LIST_S = 120.0


def divergence(
    site: SiteOption = None,
    vault_password_file: VaultPasswordOption = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> int:
    """List what the other node holds that the active one never had: log, transactions, documents.

    After a failover that is what was lost, or, if the old node went on taking writes, what has diverged. Everything is
    read from its files; its database is not started. Exit code 0: nothing. 7: there is something. 8: it cannot be fully
    told.
    """
    the_site = open_site(site, vault_password_file, secrets=False)
    from lpse_ops.observe.site import observe_site
    from lpse_ops.remote.ssh import Fleet

    with Fleet(the_site) as fleet:
        with said_if_slow(_("Looking at every host ...")):
            seen = observe_site(the_site, fleet, power=False)
        with said_if_slow(_("Reading log and documents of both nodes ...")):
            found = compare(the_site, seen, fleet)
    emit(found, lambda: as_text(found))
    return {"none": 0, "diverged": FaultsFound.exit_code}.get(found["state"], AttentionNeeded.exit_code)


def compare(site: "Site", seen: "SiteObservation", fleet: "Remote") -> dict[str, Any]:
    """Given a site, what was seen of it and its connections, return the command's answer.

    Raise Refused if a node cannot be seen.
    """
    from lpse_ops.observe.divergence import fork_of
    from lpse_ops.procedures.choice import highest_record

    record = highest_record(seen)
    active = record.active if record else next(iter(site.nodes))
    other = site.other(active)
    missing = [f"{name}: {why}" for name, why in seen.unseen().items() if name in site.nodes]
    states = {name: seen.state(name) for name in (active, other)}
    missing += [
        _("%(host)s has no database.") % {"host": name}
        for name, state in states.items()
        if state is not None and (state.database is None or state.database.system_id is None)
    ]
    if record is None:
        missing.append(_("No voter shows an epoch record, so nobody knows which node is active."))
    if missing:
        raise Refused(
            _("The two nodes cannot be compared."),
            reasons=missing,
            hint=_("Bring both nodes up (the guard keeps the old one closed), then run this again."),
        )
    ours, theirs = (state.database for state in states.values() if state and state.database)
    answer: dict[str, Any] = {"site": site.name, "active": active, "other": other}
    if ours.system_id != theirs.system_id:
        return answer | {
            "state": "unknown",
            "why": _("the two databases have nothing in common"),
            **_nothing(),
        }
    fork = fork_of(ours, theirs)
    if fork is None:
        same = ours.timeline == theirs.timeline
        why = "" if same else _("their timelines cannot be related")
        return answer | {"state": "none" if same else "unknown", "why": why, **_nothing()}
    return answer | _listed(fleet, active, other, theirs, fork)


def _nothing() -> dict[str, Any]:
    return {"fork": None, "log": None, "documents": {"missing": [], "different": []}}


def _listed(fleet: "Remote", active: str, other: str, theirs: "Database", fork: "Fork") -> dict[str, Any]:
    from lpse_ops.observe.divergence import legs, only_there

    log: dict[str, Any] = {
        "records": 0,
        "commits": 0,
        "first_commit": None,
        "last_commit": None,
        "errors": [],
    }
    ends = [place for place in (theirs.checkpoint, theirs.lsn) if place]
    for leg in legs(theirs, fork):
        verb = ["fork", "--timeline", str(leg.timeline), "--from", str(leg.start)]
        verb += ["--until", str(leg.until)] if leg.until else []
        said = fleet.node(other, verb, timeout_s=WAL_S).data
        log["records"] += said["records"]
        log["commits"] += said["commits"]
        log["first_commit"] = log["first_commit"] or said["first_commit"]
        log["last_commit"] = said["last_commit"] or log["last_commit"]
        log["errors"] += [said["error"]] if said["error"] else []
        ends += _end(said)
    end = max([*ends, fork.at])
    lists = {
        name: fleet.node(name, ["documents", "list"], timeout_s=LIST_S).data["files"]
        for name in (active, other)
    }
    missing, different = only_there(lists[other], lists[active])
    diverged = bool(log["commits"] or missing or different)
    return {
        "state": "diverged" if diverged else "unknown" if log["errors"] else "none",
        "why": "; ".join(log["errors"]),
        "fork": {"timeline": fork.timeline, "at": str(fork.at)},
        "log": {**log, "bytes": end - fork.at, "end": str(end)},
        "documents": {
            "missing": [asdict(document) for document in missing],
            "different": [asdict(document) for document in different],
        },
    }


def _end(said: Any) -> list[Any]:
    from lpse_ops.observe.lsn import Lsn

    return [Lsn(Lsn.parse(said["last"]).value + int(said["last_bytes"]))] if said["last"] else []


def as_text(found: dict[str, Any]) -> str:
    """Given the command's answer, return it as lines for a terminal."""
    at = {"active": found["active"], "other": found["other"]}
    if found["fork"] is None:
        if found["state"] == "none":
            return _("%(other)s holds nothing that %(active)s never had.") % at
        return _("What only %(other)s holds cannot be told: %(why)s.") % (at | {"why": found["why"]})
    log, documents = found["log"], found["documents"]
    lines = [
        _("The histories of %(other)s and %(active)s part at %(at)s (timeline %(timeline)s).")
        % (at | found["fork"]),
        _("Only on %(other)s: %(bytes)s bytes of log up to %(end)s, %(commits)s transactions%(times)s.")
        % (at | {**log, "bytes": f"{log['bytes']:,}", "times": _times(log)}),
    ]
    lines += [_("  The log could not be read to its end: %(why)s") % {"why": why} for why in log["errors"]]
    lines += _shown(_("Documents that only %(other)s has: %(count)s"), documents["missing"], at)
    lines += _shown(_("Documents that are others on %(other)s: %(count)s"), documents["different"], at)
    return "\n".join(lines)


def _times(log: dict[str, Any]) -> str:
    if not log["commits"]:
        return ""
    return _(" from %(first)s to %(last)s") % {"first": log["first_commit"], "last": log["last_commit"]}


def _shown(heading: str, documents: Sequence[dict[str, Any]], at: dict[str, str]) -> list[str]:
    lines = [heading % (at | {"count": str(len(documents))})]
    for row in documents:
        when = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(row["time"]))
        lines.append(f"  {when}  {row['bytes']:>12,}  {row['name']}")
    return lines
