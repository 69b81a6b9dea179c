"""The vault: read and written like ansible-vault; each way to fail has its own words."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from lpse_ops.errors import VaultError
from lpse_ops.site import vault

TEXT = "lpse_secrets:\n  a: b\n  c: é — ✓\n"
ANSIBLE_VAULT = Path(sys.executable).with_name("ansible-vault")


@pytest.mark.parametrize("text", ["", "a", TEXT, "x" * 16, "x" * 31, TEXT * 500])
def test_round_trip(text: str) -> None:
    assert vault.decrypt(vault.encrypt(text, "pass"), "pass") == text


def test_ansible_reads_ours_and_we_read_ansibles(tmp_path: Path) -> None:
    password, ours, theirs = tmp_path / "password", tmp_path / "ours.yml", tmp_path / "theirs.yml"
    password.write_text("s3cret\n")
    ours.write_text(vault.encrypt(TEXT, "s3cret"))
    theirs.write_text(TEXT)

    def ansible_vault(*words: str) -> str:
        done = subprocess.run([ANSIBLE_VAULT, *words], check=True, capture_output=True, text=True)
        return done.stdout

    assert ansible_vault("view", "--vault-password-file", str(password), str(ours)).strip() == TEXT.strip()
    ansible_vault("encrypt", "--vault-id", f"office@{password}", str(theirs))
    assert theirs.read_text().startswith("$ANSIBLE_VAULT;1.2;AES256;office")
    assert vault.decrypt(theirs.read_text(), "s3cret") == TEXT


def _broken(text: str) -> dict[str, tuple[str, str]]:
    header, *lines = text.splitlines()
    return {
        "plain": (TEXT, "is not encrypted"),
        "empty": ("", "is not encrypted"),
        "version": (text.replace("1.1", "1.9"), "of an unknown kind"),
        "cipher": (text.replace("AES256", "AES"), "of an unknown kind"),
        "cut off": ("\n".join([header, *lines[:-2]]), "is damaged"),
        "no body": (header, "is damaged"),
        "not hexadecimal": (text.replace(lines[2][:4], "zzzz"), "is damaged"),
        "altered": (
            "\n".join([header, *lines[:-1], lines[-1][:-1] + ("1" if lines[-1][-1] != "1" else "2")]),
            "does not open",
        ),
    }


@pytest.mark.parametrize("case", _broken(vault.encrypt(TEXT * 5, "p")))
def test_each_fault_has_its_words(case: str) -> None:
    text, expected = _broken(vault.encrypt(TEXT * 5, "p"))[case]
    with pytest.raises(VaultError, match=expected) as caught:
        vault.decrypt(text, "p", "vault.yml")
    assert caught.value.hint


def test_wrong_password() -> None:
    with pytest.raises(VaultError, match="does not open"):
        vault.decrypt(vault.encrypt(TEXT, "right"), "wrong")


def test_where_the_password_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.delenv(vault.PASSWORD_VARIABLE, raising=False)
    with pytest.raises(VaultError, match="no terminal"):
        vault.find_password(None, tmp_path)
    (tmp_path / ".vault-password").write_text("lab\n")
    assert vault.find_password(None, tmp_path) == "lab"
    (tmp_path / "env").write_text("from env\n")
    monkeypatch.setenv(vault.PASSWORD_VARIABLE, str(tmp_path / "env"))
    assert vault.find_password(None, tmp_path) == "from env"
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\necho from script\n")
    script.chmod(0o700)
    assert vault.find_password(script, tmp_path) == "from script"


def test_bad_password_files(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="does not exist"):
        vault.find_password(tmp_path / "none", tmp_path)
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(VaultError, match="is empty"):
        vault.find_password(tmp_path / "empty", tmp_path)
    with pytest.raises(VaultError, match="cannot be read"):
        vault.find_password(tmp_path, tmp_path)
    failing = tmp_path / "failing"
    failing.write_text("#!/bin/sh\nexit 3\n")
    failing.chmod(0o700)
    with pytest.raises(VaultError, match="cannot be read"):
        vault.find_password(failing, tmp_path)
