"""What an office keeps for a rebuild: here the golden copy of the stand-in application, built once and cached."""

import hashlib
import shutil
from pathlib import Path

from lpse_ops.i18n import _
from lpse_ops.lab import cache, tools
from lpse_ops.lab.standin import golden

MEGABYTES = 20
GOLDEN_COPY = "production.tar"


def golden_copy(folder: Path, report: tools.Report) -> None:
    """Put the golden copy and its checksum file into `folder`, building it first if its sources have changed."""
    sources = Path(golden.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(sources.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(f"{file.relative_to(sources)}\0".encode() + file.read_bytes())

    def build(entry: Path, _group: str) -> None:
        report(_("Building the golden copy of the stand-in application ..."))
        golden.build(entry / GOLDEN_COPY)

    entry = cache.entry("golden", {"sources": digest.hexdigest()}, MEGABYTES, build, report)
    folder.mkdir(parents=True)
    for name in (GOLDEN_COPY, GOLDEN_COPY + ".sha256"):
        shutil.copyfile(entry / name, folder / name)
