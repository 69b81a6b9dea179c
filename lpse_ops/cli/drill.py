"""``lpse-ops drill``: prove a recovery."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lpse_ops.cli.options import LanguageOption, OutputMode, OutputOption
from lpse_ops.cli.output import emit, progress
from lpse_ops.errors import FaultsFound
from lpse_ops.i18n import _


class Release(StrEnum):
    """Releases of Debian that a lab can carry."""

    bookworm = "12"
    trixie = "13"


class Replication(StrEnum):
    """How a commit waits for the standby."""

    asynchronous = "async"
    synchronous = "sync"


def lab(
    name: Annotated[
        str, typer.Option("--name", help="Name of the lab that is made for the drill.")
    ] = "drill",
    release: Annotated[
        Release, typer.Option("--release", help="Debian release of the hosts.")
    ] = Release.bookworm,
    replication: Annotated[
        Replication, typer.Option("--replication", help="async, or sync: nothing acknowledged can be lost.")
    ] = Replication.asynchronous,
    writers: Annotated[int, typer.Option("--writers", min=1, max=32, help="Concurrent writers.")] = 4,
    before: Annotated[
        float, typer.Option("--before", min=5, help="Seconds of load before the power cut.")
    ] = 30.0,
    after: Annotated[
        float, typer.Option("--after", min=5, help="Seconds of load after the recovery.")
    ] = 30.0,
    cut_links: Annotated[
        float,
        typer.Option("--cut-links", min=0, help="Cut the link between the nodes this many seconds before."),
    ] = 0.0,
    start_seconds: Annotated[
        float, typer.Option("--start-seconds", min=0, help="Start-up time of the stand-in application.")
    ] = 0.0,
    folder: Annotated[Path, typer.Option("--folder", help="Where the reports go.")] = Path("build/drill"),
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the lab up afterwards, to look around.")
    ] = False,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> int:
    """Make a lab, protect it, cut the active node's power under load, fail over, and prove what was lost.

    Builds host images and the package store the first time (minutes), then needs about three minutes. Writes
    report.json, report.html and the ledger into the folder; a lab of the same name is replaced. Exit code 0: the
    drill passed; 7: it found faults, listed in the report.
    """
    from lpse_ops.drill.lab_drill import run
    from lpse_ops.drill.options import DrillOptions
    from lpse_ops.papers.drill_report import as_text, write

    options = DrillOptions(
        name=name,
        release=release.value,
        replication=replication.value,
        writers=writers,
        before_s=max(before, cut_links),
        after_s=after,
        cut_links_s=cut_links,
        start_seconds=start_seconds,
        folder=folder,
        keep=keep,
    )
    result = run(options, progress)
    json_path, html_path = write(result, folder)
    emit(result, lambda: as_text(result))
    progress(_("Reports: %(json)s, %(html)s") % {"json": json_path, "html": html_path})
    return 0 if result["passed"] else FaultsFound.exit_code
