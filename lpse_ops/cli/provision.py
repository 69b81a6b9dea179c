"""``lpse-ops provision``: make hosts what the inventory says."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lpse_ops.cli.options import (
    LanguageOption,
    OutputMode,
    OutputOption,
    SiteOption,
    VaultPasswordOption,
    open_site,
)
from lpse_ops.cli.output import emit, is_json, progress
from lpse_ops.errors import LpseError, Refused, StepFailed, UnreachableError, UsageError
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from lpse_ops.remote.playbook import Event, PlaybookResult
    from lpse_ops.site import Site

REFUSING = "Refuse "  # so begin the names of tasks that judge before anything is changed


def provision(
    hosts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[HOST]...", help="Hosts to provision; none: all of the site."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Say what would change, and change nothing.")
    ] = False,
    active: Annotated[
        str | None,
        typer.Option(
            "--active",
            metavar="NODE",
            help="Which node begins as the active one, where no record exists yet.",
        ),
    ] = None,
    site: SiteOption = None,
    vault_password_file: VaultPasswordOption = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> None:
    """Make hosts what the inventory says: packages, accounts, database, application, proxy, return guard.

    Run it again at any time: what is right already stays as it is. Which node is active comes from the epoch record.
    """
    the_site = open_site(site, vault_password_file, material=True)
    targets = _targets(the_site, hosts or [], active)

    from lpse_ops.remote.login import find_logins
    from lpse_ops.remote.playbook import run_playbook

    logins = find_logins(the_site, list(the_site.hosts))
    _refuse_closed_doors(
        [error for host in targets if (error := logins[host].error)], targets, list(the_site.hosts)
    )
    variables: dict[str, Any] = {
        "lpse_targets": ",".join(targets),
        "lpse_logins": {host: login.user for host, login in logins.items() if login.user},
    }
    if active:
        variables["lpse_initial_active"] = active
    with Progress() as show:
        result = run_playbook(
            the_site,
            "provision.yml",
            variables=variables,
            check=check,
            vault_password_file=vault_password_file,
            on_event=show.event,
        )
    _conclude(result, targets, check)


def _targets(site: "Site", hosts: list[str], active: str | None) -> list[str]:
    known = list(site.hosts)
    for host in hosts:
        if host not in known:
            raise UsageError(
                _("There is no host '%(host)s' in site %(site)s.") % {"host": host, "site": site.name},
                hint=_("Its hosts are: %(hosts)s.") % {"hosts": ", ".join(known)},
            )
    if active is not None:
        site.other(active)  # refuses what is no node
    return [host for host in known if host in hosts] if hosts else known


def _refuse_closed_doors(errors: list[LpseError], targets: list[str], known: list[str]) -> None:
    """Raise one error for all hosts that do not let us in: nothing was changed yet."""
    if not errors:
        return
    first = errors[0]
    if len(errors) == 1:
        raise first
    same = all(type(error) is type(first) for error in errors)
    kind = type(first) if same else Refused
    raise kind(
        _("%(count)s of %(all)s hosts do not let us in; nothing was changed.")
        % {"count": len(errors), "all": len(targets)},
        reasons=[error.message for error in errors],
        hint=first.hint,
    )


class Progress:
    """Shows a playbook as it goes: a line for every change and failure, and in a terminal the task at hand."""

    def __init__(self) -> None:
        """Show nothing with ``--output json``."""
        self._status: Any = None

    def __enter__(self) -> "Progress":
        """Begin to show."""
        if not is_json():
            from rich.console import Console

            console = Console(stderr=True, markup=False, highlight=False)
            if console.is_terminal:
                self._status = console.status("")
                self._status.start()
        return self

    def __exit__(self, *details: object) -> None:
        """Clear the line of the task at hand."""
        if self._status is not None:
            self._status.stop()

    def event(self, event: "Event") -> None:
        """Given an event of a playbook, show it."""
        if is_json():
            return
        if event.kind == "task":
            if self._status is not None:
                self._status.update(event.task)
        elif event.kind == "changed":
            self._line(f"  {event.host}: {event.task}")
        elif event.kind in {"failed", "unreachable"}:
            self._line(_("  %(host)s: FAILED: %(task)s") % {"host": event.host, "task": event.task})

    def _line(self, text: str) -> None:
        if self._status is not None:
            self._status.console.print(text)
        else:
            progress(text)


def _conclude(result: "PlaybookResult", targets: list[str], check: bool) -> None:
    """Print the summary, or raise what the failures amount to."""
    changed = {host: result.changed.get(host, 0) for host in targets}
    reasons = _reasons(result)
    dark = [
        _("%(host)s does not answer any more: %(why)s") % {"host": host, "why": why}
        for host, why in result.unreachable.items()
    ]
    untouched = check or not any(result.changed.values())
    if dark and not reasons:
        kind = UnreachableError if untouched else StepFailed
        raise kind(
            _("Hosts were lost on the way; what was done on them stays, the rest is missing."),
            reasons=dark,
            hint=_("Bring them back, then run the same command again: it goes on where it stopped."),
        )
    if reasons and untouched and all(failure.task.startswith(REFUSING) for failure in result.failed):
        raise Refused(
            _("Provisioning is refused; nothing was changed."),
            reasons=[f"{failure.host}: {failure.message}" for failure in result.failed],
            hint=_("Remove the reason; `lpse-ops status` shows what every host knows."),
        )
    if reasons:
        raise StepFailed(
            _("Provisioning stopped; nothing that was done is undone."),
            reasons=reasons + dark,
            hint=_("Remove the cause, then run the same command again: it goes on where it stopped."),
        )
    emit(
        {
            "check": check,
            "changed": changed,
            "ok": {h: result.ok.get(h, 0) for h in targets},
            "seconds": result.seconds,
        },
        lambda: _summary(changed, result.seconds, check),
    )


def _reasons(result: "PlaybookResult") -> list[str]:
    """Return a line for every failure; what failed alike on several hosts is told once."""
    hosts: dict[tuple[str, str], list[str]] = {}
    for failure in result.failed:
        hosts.setdefault((failure.task, failure.message), []).append(failure.host)
    return [
        _("%(host)s: %(task)s: %(message)s")
        % {"host": ", ".join(filter(None, names)) or "-", "task": task, "message": message}
        for (task, message), names in hosts.items()
    ]


def _summary(changed: dict[str, int], seconds: float, check: bool) -> str:
    line = (
        _("%(host)s: %(count)s tasks would change something")
        if check
        else _("%(host)s: %(count)s tasks changed something")
    )
    lines = [line % {"host": host, "count": count} for host, count in changed.items()]
    return "\n".join([*lines, _("Done in %(seconds).0f s.") % {"seconds": seconds}])
