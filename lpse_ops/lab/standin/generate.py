"""Deterministic data for the stand-in: ``python -m lpse_ops.lab.standin.generate --help``."""

import argparse
import io
import sys
import tarfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO

from lpse_ops.errors import UsageError
from lpse_ops.i18n import _
from lpse_ops.lab.standin.rows import Plan, Request, make

# SPSE's calendar has no zone.
DEFAULT_AT = datetime(2026, 1, 5, 8, 0)


def write(request: Request, out: IO[bytes]) -> None:
    """Given what to make, write a tar to `out`: ``seed.sql`` (COPY format, one transaction) and ``documents/``.

    Paths below ``documents/`` are relative to ``attachments.path``. The same request gives the same bytes.
    Memory: one document. Raise UsageError if the request makes no sense.
    """
    plan = make(request)
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
        mtime = int((request.at - datetime(1970, 1, 1)).total_seconds())
        for name, content in _members(plan):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(content), 0o640, mtime
            entry.uname = entry.gname = "root"
            archive.addfile(entry, io.BytesIO(content))


def open_tenders(tenders: int) -> list[int]:
    """Given how many tenders were generated, return the ids of those that take offers from two days before `at` on."""
    return [tender for tender in range(1001, 1001 + tenders) if (tender - 1001) % 5 < 3]


def _members(plan: Plan) -> Iterator[tuple[str, bytes]]:
    # Documents first: whoever unpacks while reading has every document before the first row.
    for document in plan.documents():
        yield f"documents/{document.path}", document.content
    yield "seed.sql", plan.sql().encode()


def main(argv: list[str] | None = None) -> int:
    """Given command line arguments, write the tar; return the exit code (2: the arguments make no sense)."""
    parser = argparse.ArgumentParser(
        prog="generate", description=_("Data for the stand-in application, as one tar.")
    )
    parser.add_argument("--tenders", type=int, default=20)
    parser.add_argument("--documents", type=int, default=100, help=_("offers, spread over the tenders"))
    parser.add_argument("--document-size", type=int, default=16384, metavar="BYTES")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--at", type=datetime.fromisoformat, default=DEFAULT_AT, help=_("the moment it plays at, local time")
    )
    parser.add_argument("-o", "--output", type=Path, help=_("file to write (default: standard output)"))
    given = parser.parse_args(argv)
    request = Request(given.tenders, given.documents, given.document_size, given.seed, given.at)
    try:
        if given.output is None:
            write(request, sys.stdout.buffer)
        else:
            with given.output.open("wb") as out:
                write(request, out)
    except UsageError as error:
        parser.error(error.message)
    return 0


if __name__ == "__main__":
    sys.exit(main())
