"""One protection taken away."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One protection: `old` stands exactly once in `file`; with `new` in its place one of `tests` must fail."""

    id: str
    protection: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
