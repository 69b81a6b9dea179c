"""The machine's own apt sources, turned to another Debian release: which mirror, which keyring.

Nothing about mirrors is built in: an office or a laboratory may have its own, and this machine already knows it. Both
formats of sources.list(5) are read: one line a source, and deb822.
"""

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.lab.names import RELEASES

_SUITES = "buster|bullseye|bookworm|trixie|forky|oldoldstable|oldstable|stable|testing|sid|unstable"
_SUITE = re.compile(rf"(?:{_SUITES})(-updates|-security|/updates)?")
_KEYRINGS = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")


@dataclass(frozen=True)
class Source:
    """One Debian archive: where, which suite, signed by which keyring ('' for apt's trusted ones)."""

    uri: str
    suite: str
    signed_by: str

    def line(self, keyring: str | None = None) -> str:
        """Return the one-line form, with another keyring if one is named."""
        key = keyring or self.signed_by
        return f"deb {f'[signed-by={key}] ' if key else ''}{self.uri} {self.suite} main"


def parse_sources(text: str, deb822: bool) -> Iterator[tuple[str, str, str]]:
    """Given the text of a sources file, yield (URI, suite, keyring) of every enabled binary source in it."""
    yield from (_deb822(text) if deb822 else _lines(text))


def turned_to(found: Iterator[tuple[str, str, str]], codename: str) -> list[Source]:
    """Given the sources of a machine, return those of Debian itself, turned to the release `codename`.

    Sources of other archives (their suites are not Debian's) are left out; `-updates` and `-security` are kept as such.
    """
    result = []
    for uri, suite, signed_by in found:
        match = _SUITE.fullmatch(suite)
        if match:
            suffix = "-security" if match[1] == "/updates" else match[1] or ""
            result.append(Source(uri, codename + suffix, signed_by))
    return list(dict.fromkeys(result))


def debian_sources(release: str, root: Path = Path("/")) -> list[Source]:
    """Return the sources for Debian `release`, taken from the machine's. Raise LabError if it has none of Debian's."""
    sources = turned_to(_machine_sources(root / "etc/apt"), RELEASES[release])
    if not any(source.suite == RELEASES[release] for source in sources):
        raise LabError(
            _("The apt sources of this machine name no Debian mirror."),
            hint=_("Add one to /etc/apt/sources.list.d/, as sources.list(5) describes."),
        )
    fallback = _default_keyring(root)
    return [Source(s.uri, s.suite, s.signed_by or fallback) for s in sources]


def acquire_options() -> list[str]:
    """Return the machine's apt settings that say how to reach a mirror (proxy, timeouts), as apt.conf lines."""
    dump = subprocess.run(
        ["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=True
    ).stdout
    wanted = re.compile(r"Acquire::(https?::|Retries|ForceIPv[46])")
    return [line for line in dump.splitlines() if wanted.match(line) and '"";' not in line]


def copy_keyrings(sources: list[Source], root: Path) -> list[str]:
    """Copy the keyrings of `sources` into a file tree; return the source lines that name the copies."""
    lines = []
    for number, source in enumerate(sources):
        keyring = None
        if source.signed_by:
            keyring = f"/usr/share/keyrings/machine-{number}{Path(source.signed_by).suffix}"
            target = root / keyring.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(source.signed_by).read_bytes())
            target.chmod(0o644)
        lines.append(source.line(keyring))
    return lines


def _machine_sources(folder: Path) -> Iterator[tuple[str, str, str]]:
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix in {".list", ".sources"} and file.is_file():
            yield from parse_sources(file.read_text(errors="replace"), file.suffix == ".sources")


def _lines(text: str) -> Iterator[tuple[str, str, str]]:
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)", line)
        if match:
            options = dict(o.split("=", 1) for o in shlex.split(match[1] or "") if "=" in o)
            yield match[2], match[3], options.get("signed-by", "").split(",")[0]


def _deb822(text: str) -> Iterator[tuple[str, str, str]]:
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for paragraph in re.split(r"\n\s*\n", text):
        # A field goes on in the lines that begin with a space.
        unfolded = re.sub(r"\n[ \t]+", " ", paragraph)
        fields = {
            k.strip().lower(): v.strip() for k, _c, v in (x.partition(":") for x in unfolded.splitlines())
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        key = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield uri, suite, key if key.startswith("/") else ""


def _default_keyring(root: Path) -> str:
    for name in _KEYRINGS:
        if (root / "usr/share/keyrings" / name).is_file():
            return f"/usr/share/keyrings/{name}"
    raise LabError(
        _("The keyring of the Debian archive is missing on this machine."),
        hint=_("Install it: apt-get install debian-archive-keyring"),
    )


def explain(release: str, error: LabError) -> LabError:
    """Return `error` of a failed download with the next step for the likely causes."""
    if "NO_PUBKEY" in error.message or "not signed" in error.message or "Missing key" in error.message:
        hint = _(
            "The keyring of this machine does not know Debian %(release)s: update debian-archive-keyring."
        )
    else:
        hint = _(
            "Check that the mirror in this machine's apt sources answers and carries Debian %(release)s."
        )
    return LabError(error.message, hint=hint % {"release": release})
