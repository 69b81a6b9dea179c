"""The golden copy of the stand-in: what an office takes from its live server, here compiled from source."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.i18n import _

HERE = Path(__file__).parent
INTEGRITY = "conf/integrity"
SITE_SPECIFIC = "webapp/conf/application.conf"
JAVA_RELEASE = "17"
# Any fixed moment does; it is the build date of the SPSE version in the footer.
MTIME = 1570579200


def build(target_tar: Path, *, instance: str = "production") -> None:
    """Given where to put it, write the golden copy and, beside it, ``<target_tar>.sha256`` (sha256sum's format).

    The tar holds one folder named `instance`; the same sources and compiler give the same bytes.
    ``conf/integrity`` in it names the MD5 of every file but ``application.conf``, which belongs to a site.
    Raise LabError if there is no Java compiler or the sources do not compile.
    """
    with tempfile.TemporaryDirectory(prefix="lpse-golden-") as scratch:
        folder = Path(scratch) / instance
        lay_out(folder)
        target_tar.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target_tar.with_name(target_tar.name + ".part")
        with tarfile.open(unfinished, "w", format=tarfile.USTAR_FORMAT) as archive:
            _add(archive, folder, instance)
    digest = hashlib.sha256(unfinished.read_bytes()).hexdigest()
    unfinished.replace(target_tar)
    target_tar.with_name(target_tar.name + ".sha256").write_text(f"{digest}  {target_tar.name}\n")


def lay_out(folder: Path) -> None:
    """Given a folder that does not exist yet, make it an instance's: compiled and with its manifest."""
    shutil.copytree(HERE / "files", folder)
    (folder / "spse4").chmod(0o755)
    shutil.copytree(HERE / "schema", folder / "webapp/db")
    _compile(folder / "webapp/app")
    lines = [f"{_md5(folder / name)}  {name}\n" for name in _files(folder) if name != SITE_SPECIFIC]
    manifest = folder / INTEGRITY
    manifest.parent.mkdir()
    manifest.write_text("".join(lines))


def _compile(classes: Path) -> None:
    compiler = shutil.which("javac")
    if compiler is None:
        raise LabError(
            _("The Java compiler javac is missing; the stand-in application cannot be built."),
            hint=_("Install it: apt-get install default-jdk-headless"),
        )
    sources = sorted(str(path) for path in (HERE / "java").rglob("*.java"))
    argv = [
        compiler,
        "--release",
        JAVA_RELEASE,
        "-encoding",
        "UTF-8",
        "-g:source,lines",
        "-Xlint:all",
        "-Werror",
    ]
    # A C locale, so that a compiler's messages and the class files do not depend on the caller's.
    result = subprocess.run(
        [*argv, "-d", str(classes), *sources],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    if result.returncode != 0:
        raise LabError(
            _("The stand-in application does not compile."),
            hint=_("Use a JDK of version 17 or later."),
            reasons=result.stderr.splitlines()[:20],
        )


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _add(archive: tarfile.TarFile, folder: Path, name: str) -> None:
    for path in [folder, *sorted(folder.rglob("*"))]:
        relative = path.relative_to(folder).as_posix()
        entry = tarfile.TarInfo(name if path == folder else f"{name}/{relative}")
        entry.mtime = MTIME
        entry.uname = entry.gname = "root"
        if path.is_dir():
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        else:
            content = path.read_bytes()
            entry.size, entry.mode = len(content), 0o755 if relative == "spse4" else 0o644
            archive.addfile(entry, io.BytesIO(content))
