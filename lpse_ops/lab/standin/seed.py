"""Puts generated data into a host of the lab."""

import io
import subprocess
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.lab.standin.generate import open_tenders, write
from lpse_ops.lab.standin.rows import Request

# $1 database, $2 its owner, $3 the document tree, $4 the application's user. Documents before rows: whatever stops
# it half-way leaves documents without rows, never rows without documents. What is there already is not overwritten.
LOAD = """
set -eu
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
tar -xf - -C "$scratch"
if [ -d "$scratch/documents" ]; then
    chown -R -- "$4:$4" "$scratch/documents"
    find "$scratch/documents" -type d -exec chmod 0750 {} +
    cp -a --no-clobber -- "$scratch/documents/"* "$3/"
    sync -f -- "$3"
fi
{ printf 'SET ROLE "%s";\\n' "$2"; cat -- "$scratch/seed.sql"; } |
    runuser -u postgres -- psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --dbname "$1" >/dev/null
"""


class Runner(Protocol):
    """What is needed of the lab: a command as root on a host, with bytes on its standard input."""

    def run(self, where: str, argv: Sequence[str], /, *, input: bytes | None = None) -> object:
        """Return a completed process, or anything else after having raised for a failed command."""
        ...


def load(
    lab: Runner,
    node: str,
    *,
    tenders: int = 20,
    documents: int = 100,
    document_size: int = 16384,
    seed: int = 1,
    at: datetime | None = None,
    time_zone: str = "Asia/Jakarta",
    database: str = "epns_prod",
    role: str = "epns",
    tree: str = "/home/file/file_prod",
    user: str = "spse",
) -> list[int]:
    """Given a lab and a node whose database is primary and migrated, load generated data.

    Return the ids of the tenders that take offers. `at` is the local moment the calendar plays at (default: now in
    `time_zone`); `document_size` is in bytes. Everything travels as one tar through the lab's `run`, so keep
    ``documents * document_size`` well below this machine's memory. Raise LabError if the host refuses; a second load
    into the same database is refused as a whole (ids are unique).
    """
    moment = at or datetime.now(ZoneInfo(time_zone)).replace(tzinfo=None, minute=0, second=0, microsecond=0)
    archive = io.BytesIO()
    write(Request(tenders, documents, document_size, seed, moment), archive)
    argv = ["sh", "-c", LOAD, "load", database, role, tree, user]
    result = lab.run(node, argv, input=archive.getvalue())
    if isinstance(result, subprocess.CompletedProcess) and result.returncode != 0:
        raise LabError(
            _("The generated data could not be loaded on %(host)s.") % {"host": node},
            hint=_(
                "Provision the host first; its database must be empty but for the schema (spse4 migration)."
            ),
            reasons=str(result.stderr).splitlines()[-10:],
        )
    return open_tenders(tenders)
