"""The sealed inventory: what a host keeps is enough to go on with, and gives nothing away."""

import base64
import gzip
import io
import tarfile
from pathlib import Path

import pytest
from lpse_sealed import seal

from lpse_ops.errors import FaultsFound, UsageError
from lpse_ops.site import load_site
from lpse_ops.site.sealed import LIMIT_BYTES, place_identity, unpack
from tests.support.inventory import PASSWORD, make_inventory

CERTIFICATE = "artifacts/tls/service.crt"


def test_what_is_unpacked_is_the_site(tmp_path: Path) -> None:
    folder = make_inventory(tmp_path / "office")
    text = seal(str(folder), CERTIFICATE)
    assert seal(str(folder), CERTIFICATE) == text

    names = unpack(text.replace("\n", ""), tmp_path / "elsewhere")

    assert set(names) == {
        *("hosts.yml", "known_hosts", CERTIFICATE),
        *(f"group_vars/all/{name}.yml" for name in ("site", "connection", "vault")),
    }
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    place_identity(tmp_path / "elsewhere", folder / "ssh" / "id_ed25519")
    fetched = load_site(tmp_path / "elsewhere", password, material=False)
    original = load_site(folder, password)
    assert fetched.hosts == original.hosts
    assert fetched.secrets == original.secrets
    assert fetched.identity_file is not None
    assert fetched.identity_file.read_bytes() == (folder / "ssh" / "id_ed25519").read_bytes()
    for path in (tmp_path / "elsewhere", *(p for p in (tmp_path / "elsewhere").rglob("*") if p.is_file())):
        assert path.stat().st_mode & 0o077 == 0, path


def test_no_private_key_and_no_plain_secret_is_in_it(tmp_path: Path) -> None:
    folder = make_inventory(tmp_path / "office")
    packed = gzip.decompress(base64.b64decode(seal(str(folder), CERTIFICATE)))
    assert b"PRIVATE KEY" not in packed
    assert b"a-database-password" not in packed
    (folder / "group_vars/all/vault.yml").write_text("lpse_secrets: {}\n")
    with pytest.raises(ValueError, match="not encrypted"):
        seal(str(folder), CERTIFICATE)


def packed(*names: str, data: bytes = b"x") -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return base64.b64encode(gzip.compress(buffer.getvalue())).decode()


@pytest.mark.parametrize(
    "text",
    [
        packed("../../etc/cron.d/x"),
        packed("/etc/passwd"),
        packed("hosts.yml", data=b"0" * (LIMIT_BYTES + 1)),
        "!!!",
        base64.b64encode(b"no archive").decode(),
        packed("hosts.yml")[:-40],
    ],
)
def test_what_is_no_inventory_is_refused_and_nothing_is_written(tmp_path: Path, text: str) -> None:
    with pytest.raises(FaultsFound):
        unpack(text, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(UsageError, match="File exists"):
        unpack(packed("hosts.yml"), tmp_path / "new")
