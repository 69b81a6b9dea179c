"""``lpse-ops protect``: make the other node a standby of the active one."""

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lpse_ops.cli.options import (
    LanguageOption,
    OutputMode,
    OutputOption,
    SiteOption,
    VaultPasswordOption,
    YesOption,
    open_site,
)
from lpse_ops.cli.output import confirm, emit, is_json, progress
from lpse_ops.errors import Incomplete, Refused, StepFailed, UnreachableError
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from lpse_ops.observe.judgement import SiteStatus
    from lpse_ops.remote.playbook import Event, PlaybookResult
    from lpse_ops.site import Site

CATCH_UP_S = 60.0
SHOW_EVERY_S = 5.0


def protect(
    replace: Annotated[
        str | None,
        typer.Option(
            "--replace",
            metavar="NODE",
            help="Data of another history on this node is moved aside (never deleted) and replaced.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Say what would change, and change nothing.")
    ] = False,
    yes: YesOption = False,
    site: SiteOption = None,
    vault_password_file: VaultPasswordOption = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> None:
    """Make the node that is not active a standby: its database streams, the documents follow.

    Ends with 0 once both have caught up. Run it again at any time: what is right already stays as it is. Which node is
    active comes from the epoch record.
    """
    the_site = open_site(site, vault_password_file, material=True)
    if replace is not None:
        the_site.other(replace)  # refuses what is no node
        question = _("Move the database of %(node)s aside and copy the active node's in its place?") % {
            "node": replace
        }
        if not check and not confirm(question, yes=yes):
            raise Refused(_("Not confirmed; nothing was changed."))

    from lpse_ops.remote.login import find_logins
    from lpse_ops.remote.playbook import run_playbook

    logins = find_logins(the_site, list(the_site.hosts))
    closed = [login.error for login in logins.values() if login.error]
    if closed:
        raise type(closed[0])(
            _("Every host of the site is needed for this; nothing was changed."),
            reasons=[error.message for error in closed],
            hint=closed[0].hint,
        )
    with _Watch() as watch:
        result = run_playbook(
            the_site,
            "protect.yml",
            variables={"lpse_replace": replace or ""},
            check=check,
            vault_password_file=vault_password_file,
            on_event=watch.event,
        )
    _refuse_or_fail(result)
    found = None if check else _catch_up(the_site)
    emit(
        {
            "check": check,
            "changed": result.changed,
            "seconds": result.seconds,
            "active": found.active if found else None,
            "standby": found.standby if found else None,
            "protection": found.protection if found else None,
        },
        lambda: _summary(result, found, check),
    )


def _catch_up(site: "Site") -> "SiteStatus":
    """Wait until database and documents agree. Raise Incomplete if they come no nearer."""
    from lpse_ops.observe.protection import agrees, await_protection
    from lpse_ops.remote.ssh import Fleet

    with Fleet(site) as fleet:
        found = await_protection(site, fleet, CATCH_UP_S, _Shown().status)
    if not agrees(found):
        raise Incomplete(
            _("The standby was set up, but it has not caught up."),
            reasons=found.reasons,
            hint=_(
                "It goes on by itself; `lpse-ops status` shows how far it is. Run this again to wait for it."
            ),
        )
    return found


class _Shown:
    """Says now and then what is still missing."""

    def __init__(self) -> None:
        self._next = time.monotonic() + SHOW_EVERY_S

    def status(self, found: "SiteStatus") -> None:
        if is_json() or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + SHOW_EVERY_S
        progress(
            _("  catching up: %(bytes)s bytes of log, %(files)s documents missing")
            % {"bytes": found.database.bytes, "files": found.documents.files}
        )


class _Watch:
    """Shows the playbook as it goes, and how far a copy is: bytes and rate."""

    def __init__(self) -> None:
        from lpse_ops.cli.provision import Progress

        self._progress = Progress()
        self._last: tuple[float, float] | None = None

    def __enter__(self) -> "_Watch":
        self._progress.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._progress.__exit__(*details)

    def event(self, event: "Event") -> None:
        if event.kind != "waiting":
            self._progress.event(event)
            return
        line = self._waiting(event.text)
        if line and not is_json():
            progress(f"  {event.host}: {line}")

    def _waiting(self, text: str) -> str:
        """Given what a waiting task saw, return what to show: nothing more often than every few seconds."""
        try:
            seen: dict[str, Any] = json.loads(text)
        except ValueError:
            return ""
        now = time.monotonic()
        if self._last is not None and now - self._last[0] < SHOW_EVERY_S:
            return ""
        if "bytes" in seen:
            done = float(seen["bytes"])
            rate = (done - self._last[1]) / (now - self._last[0]) if self._last else 0.0
            self._last = (now, done)
            return _("copied %(done).0f of %(total).0f MB, %(rate).1f MB/s") % {
                "done": done / 1e6,
                "total": seen.get("total", 0) / 1e6,
                "rate": max(0.0, rate) / 1e6,
            }
        if "behind" in seen:
            self._last = (now, 0.0)
            return _("%(behind)s of %(all)s documents (%(size).0f MB) still to come") % {
                "behind": seen["behind"],
                "all": seen["behind"] + seen["files"],
                "size": (seen.get("behind_bytes") or 0) / 1e6,
            }
        return ""


def _refuse_or_fail(result: "PlaybookResult") -> None:
    """Raise what the failures of the playbook amount to. Tasks that refuse come before those that change."""
    if result.successful:
        return
    reasons = [f"{failure.host}: {failure.message}" for failure in result.failed]
    dark = [
        _("%(host)s does not answer any more: %(why)s") % {"host": host, "why": why}
        for host, why in result.unreachable.items()
    ]
    if result.failed and all(failure.task.startswith("Refuse") for failure in result.failed):
        raise Refused(_("The other node was not made a standby."), reasons=reasons)
    if dark and not reasons:
        kind = StepFailed if any(result.changed.values()) else UnreachableError
        raise kind(
            _("Hosts were lost on the way; a copy that was begun goes on without this connection."),
            reasons=dark,
            hint=_("Bring them back, then run the same command again: it goes on where it stopped."),
        )
    raise StepFailed(
        _("Making the standby stopped; nothing that was done is undone."),
        reasons=[f"{failure.host}: {failure.task}: {failure.message}" for failure in result.failed] + dark,
        hint=_("Remove the cause, then run the same command again: it goes on where it stopped."),
    )


def _summary(result: "PlaybookResult", found: "SiteStatus | None", check: bool) -> str:
    line = (
        _("%(host)s: %(count)s tasks would change something")
        if check
        else _("%(host)s: %(count)s tasks changed something")
    )
    lines = [line % {"host": host, "count": count} for host, count in sorted(result.changed.items())]
    if found is not None:
        lines.append(
            _("%(standby)s follows %(active)s: database and documents agree.")
            % {"standby": found.standby, "active": found.active}
        )
    return "\n".join([*lines, _("Done in %(seconds).0f s.") % {"seconds": result.seconds}])
