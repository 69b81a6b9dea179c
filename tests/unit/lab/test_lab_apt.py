"""The machine's apt sources, in both formats, turned to another release."""

from pathlib import Path

import pytest

from lpse_ops.errors import LabError
from lpse_ops.lab import apt

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
# in between
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb-src
URIs: http://mirror.example/source-only
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: http://mirror.example/disabled
Suites: bookworm
Components: main
"""
LINES = """\
# deb http://old.example/debian bookworm main
deb http://mirror.example/debian bookworm main contrib
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/etc/apt/keyrings/x.gpg] https://mirror.example/debian bookworm-updates main
deb [signed-by=/k.gpg] http://other.example/apt cloud-sdk-bookworm main
deb http://old-security.example stable/updates main
"""


def test_deb822() -> None:
    key = "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert list(apt.parse_sources(DEB822, deb822=True)) == [
        ("http://mirror.example/debian", "bookworm", key),
        ("http://mirror.example/debian", "bookworm-updates", key),
        ("http://security.example/debian-security", "bookworm-security", ""),
    ]


def test_lines() -> None:
    assert list(apt.parse_sources(LINES, deb822=False)) == [
        ("http://mirror.example/debian", "bookworm", ""),
        ("https://mirror.example/debian", "bookworm-updates", "/etc/apt/keyrings/x.gpg"),
        ("http://other.example/apt", "cloud-sdk-bookworm", "/k.gpg"),
        ("http://old-security.example", "stable/updates", ""),
    ]


def test_turned_to_another_release_leaves_out_other_archives() -> None:
    turned = apt.turned_to(apt.parse_sources(LINES, deb822=False), "trixie")
    assert [(s.uri, s.suite) for s in turned] == [
        ("http://mirror.example/debian", "trixie"),
        ("https://mirror.example/debian", "trixie-updates"),
        ("http://old-security.example", "trixie-security"),
    ]


def test_line_names_the_keyring() -> None:
    source = apt.Source("http://m/debian", "trixie", "/k.gpg")
    assert source.line() == "deb [signed-by=/k.gpg] http://m/debian trixie main"
    assert source.line("/other.gpg") == "deb [signed-by=/other.gpg] http://m/debian trixie main"


def machine(root: Path, sources: str, keyring: str | None = "debian-archive-keyring.pgp") -> Path:
    (root / "etc/apt/sources.list.d").mkdir(parents=True)
    (root / "etc/apt/sources.list.d/debian.sources").write_text(sources)
    (root / "etc/apt/sources.list.d/saved.sources.save").write_text(DEB822)
    keyrings = root / "usr/share/keyrings"
    keyrings.mkdir(parents=True)
    if keyring:
        (keyrings / keyring).write_text("key")
    return root


def test_sources_of_a_machine(tmp_path: Path) -> None:
    sources = apt.debian_sources("13", machine(tmp_path, DEB822))
    assert [s.suite for s in sources] == ["trixie", "trixie-updates", "trixie-security"]
    assert sources[2].signed_by == "/usr/share/keyrings/debian-archive-keyring.pgp"


def test_a_machine_without_a_debian_mirror(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no Debian mirror") as caught:
        apt.debian_sources("12", machine(tmp_path, "Types: deb\nURIs: http://x\nSuites: noble\n"))
    assert "sources.list" in caught.value.hint


def test_a_machine_without_the_keyring(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="keyring") as caught:
        apt.debian_sources("12", machine(tmp_path, DEB822, keyring=None))
    assert "debian-archive-keyring" in caught.value.hint


def test_keyrings_are_copied_under_names_of_their_own(tmp_path: Path) -> None:
    key = tmp_path / "k.pgp"
    key.write_bytes(b"key")
    root = tmp_path / "root"
    lines = apt.copy_keyrings([apt.Source("http://m", "trixie", str(key))], root)
    assert lines == ["deb [signed-by=/usr/share/keyrings/machine-0.pgp] http://m trixie main"]
    assert (root / "usr/share/keyrings/machine-0.pgp").read_bytes() == b"key"


@pytest.mark.parametrize(
    ("message", "step"),
    [
        ("The following signatures couldn't be verified: NO_PUBKEY 1", "update debian-archive-keyring"),
        ("Could not resolve 'mirror.example'", "mirror"),
    ],
)
def test_a_failed_download_says_what_to_do(message: str, step: str) -> None:
    explained = apt.explain("13", LabError(message))
    assert explained.message == message
    assert step in explained.hint
    assert "13" in explained.hint
