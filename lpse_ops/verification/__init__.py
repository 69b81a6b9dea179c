"""Verification: the pytest-testinfra suite that ``lpse-ops verify`` runs against real hosts, and its runner."""

from lpse_ops.verification.result import CONCERNS, Finding, VerificationResult
from lpse_ops.verification.runner import verify

__all__ = ["CONCERNS", "Finding", "VerificationResult", "verify"]
