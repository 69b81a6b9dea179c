"""``lpse-ops verify``: test hosts of a site against what its inventory says."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lpse_ops.cli import output as out
from lpse_ops.cli.options import (
    LanguageOption,
    OutputMode,
    OutputOption,
    SiteOption,
    VaultPasswordOption,
    open_site,
)
from lpse_ops.errors import FaultsFound
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from lpse_ops.verification import VerificationResult


def verify(
    node: Annotated[list[str] | None, typer.Argument(help="Hosts to verify; none: all of the site.")] = None,
    site: SiteOption = None,
    vault_password_file: VaultPasswordOption = None,
    only: Annotated[str | None, typer.Option(metavar="CONCERN", help="Verify one concern only.")] = None,
    outside: Annotated[bool, typer.Option(help="Also test through the service address.")] = True,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a JUnit report.")] = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> int:
    """Test hosts against what the inventory says. Exit 7 with findings, 3 if a host does not answer."""
    from lpse_ops.verification import verify as run

    the_site = open_site(site, vault_password_file, secrets=False)
    progress = Progress()
    result = run(
        the_site,
        node,
        junit=junit,
        outside=outside,
        only=only,
        progress=progress if output == OutputMode.text else None,
    )
    progress.flush()
    out.emit(result.as_dict(), lambda: _summary(result))
    return 0 if result.clean else FaultsFound.exit_code


class Progress:
    """Prints one line a concern, when the concern is through."""

    def __init__(self) -> None:
        self.concern = ""
        self.passed = self.failed = 0

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take one event of the verification."""
        if event["event"] == "seen":
            roles = ", ".join(f"{host} ({role})" for host, role in event["roles"].items())
            out.progress(_("Verifying %(hosts)s") % {"hosts": roles})
        elif event["event"] == "test":
            if event["concern"] != self.concern:
                self.flush()
                self.concern = event["concern"]
            self.passed += event["status"] == "passed"
            self.failed += event["status"] != "passed"

    def flush(self) -> None:
        """Print the concern that was under way."""
        if self.concern:
            line = (
                _("%(concern)-12s %(passed)4d passed")
                if not self.failed
                else _("%(concern)-12s %(passed)4d passed, %(failed)d failed")
            )
            out.progress(line % {"concern": self.concern, "passed": self.passed, "failed": self.failed})
        self.concern, self.passed, self.failed = "", 0, 0


def _summary(result: "VerificationResult") -> str:
    lines = [f"{finding.message}\n    {finding.id}" for finding in result.findings]
    counts = {
        "passed": result.passed,
        "failed": result.failed,
        "skipped": result.skipped,
        "seconds": result.seconds,
    }
    lines.append(_("%(passed)d passed, %(failed)d failed, %(skipped)d skipped in %(seconds).1f s.") % counts)
    return "\n".join(lines)
