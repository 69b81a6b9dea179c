"""What a run says while it goes on and when it has ended."""

from typing import TYPE_CHECKING

from lpse_ops.cli.output import emit, progress
from lpse_ops.errors import Incomplete
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lpse_ops.engine.journal import Event
    from lpse_ops.engine.session import Confirm, Surroundings
    from lpse_ops.remote import Remote
    from lpse_ops.site import Site


def around_run(
    site: "Site", fleet: "Remote", asker: "Confirm", events: "Sequence[Event]" = ()
) -> "Surroundings":
    """Given a site, its connections and how a person is asked, return the surroundings of a run that tells of itself.

    `events`: those of a run that goes on.
    """
    from lpse_ops.engine.session import Surroundings

    return Surroundings(site, fleet, asker, Teller(events))


def finish(events: "list[Event]") -> int:
    """Given the events of a run that has ended, print its report and return the exit code."""
    from lpse_ops.papers.run_report import as_text, run_report

    view = run_report(events)
    emit(view, lambda: as_text(view))
    if view["witnessed"] is False:
        progress(
            _(
                "UNWITNESSED: the repository does not know of this epoch. Keep the old active node without power until "
                "`lpse-ops status` no longer says so."
            )
        )
    progress(_("The site serves, but it is not protected: `lpse-ops protect` makes a standby again."))
    return Incomplete.exit_code


class Teller:
    """Tells each step's begin and end in one line on stderr."""

    def __init__(self, events: "Sequence[Event]" = ()) -> None:
        self._titles: dict[str, str] = {}
        for event in events[:1]:
            self._learn(event)

    def _learn(self, event: "Event") -> None:
        from lpse_ops.plan import Plan
        from lpse_ops.plan.render import title_of

        if event["type"] == "run-started":
            self._titles = {step.id: title_of(step) for step in Plan.from_json(event["plan"]).steps}

    def __call__(self, event: "Event") -> None:
        if event["type"] == "run-started":
            self._learn(event)
            progress(_("Run %(run)s begins.") % {"run": event["run"]})
        elif event["type"] == "resumed":
            progress(_("Run %(run)s goes on.") % {"run": event["run"]})
        elif event["type"] == "outcome":
            mark = "✗" if event["status"] == "failed" else "✓"
            progress(f"{mark} {self._titles.get(event['step'], event['step'])}  {event['seconds']:.2f} s")
