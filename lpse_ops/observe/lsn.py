"""Places in PostgreSQL's write-ahead log (pg_lsn)."""

import re
from dataclasses import dataclass
from typing import Self

_TEXT = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


@dataclass(frozen=True, order=True)
class Lsn:
    """A place in the log, in bytes from its beginning. ``b - a`` is the number of bytes from a to b."""

    value: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Given PostgreSQL's text (``16/B374D848``), return the place. Raise ValueError if it is none."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise ValueError(f"not a pg_lsn: {text!r}")
        return cls((int(match[1], 16) << 32) | int(match[2], 16))

    def __str__(self) -> str:
        """Return PostgreSQL's text."""
        return f"{self.value >> 32:X}/{self.value & 0xFFFFFFFF:X}"

    def __sub__(self, other: "Lsn") -> int:
        """Return the bytes between two places (negative if `other` is ahead)."""
        return self.value - other.value
