"""Bringing this controller's copy of a journal to what the run's history is by now: another one may have gone on."""

from collections.abc import Sequence
from pathlib import Path

from lpse_ops.engine.history import Copies, copies_of, relation
from lpse_ops.engine.journal import read_events, restore
from lpse_ops.engine.status import ENDED, last_status
from lpse_ops.errors import FaultsFound, Refused
from lpse_ops.i18n import _
from lpse_ops.remote import Remote


def catch_up(folder: Path, run: str, copies: Copies) -> str:
    """Given what hosts hold of a run, bring its journal in `folder` up to it.

    Return the host whose copy was taken, "" if what was here stays. What this controller wrote after another one
    had gone on is kept beside the journal (``RUN.tail-N``, N the first event). Raise FaultsFound if the copies tell
    different stories.
    """
    host, theirs = copies.longest()
    path = folder / f"{run}.jsonl"
    ours = read_events(path) if path.exists() else []
    how, shared = relation(ours, theirs)
    if how in ("same", "ahead"):
        return ""
    if how == "altered":
        raise FaultsFound(altered(run, host, shared), hint=keep_both())
    if len(ours) > shared:
        restore(path.with_suffix(f".tail-{shared + 1}"), ours[shared:])
    restore(path, theirs)
    return host


def fetch(remote: Remote, host: str, others: Sequence[str], run: str | None) -> tuple[str, Copies]:
    """Given a host that holds journals, the other hosts and a run (None: the newest unfinished one), return its copies.

    Raise Refused if the host holds no such journal, and what the host's connection raises.
    """
    if failures := remote.open([host]):
        raise failures[host]
    known = [str(name) for name in remote.node(host, ["journal-show"]).data["runs"]]
    candidates = [name for name in known if run in (None, name)]
    for name in reversed(candidates):
        copies = copies_of(remote, [host, *others], name)
        events = copies.longest()[1]
        if run is not None or (events and last_status(events) not in ENDED):
            return name, copies
    raise Refused(
        _("%(host)s holds no journal of a run that could go on.") % {"host": host}
        if run is None
        else _("%(host)s holds no journal of run %(run)s.") % {"host": host, "run": run},
        reasons=[_("Journals there: %(runs)s") % {"runs": ", ".join(known) or _("none")}],
        hint=_("`lpse-ops status` shows who is active; another host may hold it: resume --from HOST."),
    )


def altered(run: str, host: str, shared: int) -> str:
    """Return the fault of two copies that differ after `shared` events."""
    return _("Run %(run)s: the copy on %(host)s tells something else from event %(number)s on.") % {
        "run": run,
        "host": host,
        "number": shared + 1,
    }


def keep_both() -> str:
    """Return what to do about copies that differ."""
    return _("Keep both files as they are, find out which one was changed, and do not go on with this run.")
