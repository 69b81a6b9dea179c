"""What a verification hands back, and how it is written as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# The order in which the concerns are checked: what the others stand on comes first.
CONCERNS = (
    "base",
    "clock",
    "guard",
    "database",
    "documents",
    "application",
    "proxy",
    "ports",
    "replication",
    "outside",
)


@dataclass(frozen=True)
class Finding:
    """One fault: the test that found it, its concern, the host ("" for the site) and one sentence."""

    id: str
    concern: str
    host: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """How one test ended: ``passed``, ``failed`` or ``skipped``; with a sentence when it did not pass."""

    id: str
    concern: str
    host: str
    status: str
    seconds: float
    message: str = ""


@dataclass(frozen=True)
class VerificationResult:
    """Counts, wall clock seconds, findings; `roles` holds host -> active, standby, closed or repository."""

    passed: int
    failed: int
    skipped: int
    seconds: float
    findings: tuple[Finding, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    tests: tuple[Outcome, ...] = ()

    @property
    def clean(self) -> bool:
        """True when every test that ran has passed and at least one ran."""
        return self.passed > 0 and not self.failed and not self.skipped

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain data, for JSON."""
        return asdict(self)

    @staticmethod
    def of(outcomes: list[Outcome], roles: Mapping[str, str], seconds: float) -> "VerificationResult":
        """Given how the tests ended, return the result they amount to."""
        status = [outcome.status for outcome in outcomes]
        findings = tuple(
            Finding(o.id, o.concern, o.host, o.message) for o in outcomes if o.status != "passed"
        )
        return VerificationResult(
            passed=status.count("passed"),
            failed=status.count("failed"),
            skipped=status.count("skipped"),
            seconds=round(seconds, 2),
            findings=findings,
            roles=dict(roles),
            tests=tuple(outcomes),
        )
