"""Drills use the labs of tests/lab."""

from tests.lab.conftest import at, lab, protected_lab, release

__all__ = ["at", "lab", "protected_lab", "release"]
