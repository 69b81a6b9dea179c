"""Reads and writes whole files in the ansible-vault format, versions 1.1 and 1.2, without importing Ansible.

The format (public, of the Ansible documentation): a header line ``$ANSIBLE_VAULT;VERSION;AES256[;LABEL]``, then
hexadecimal text that holds, again in hexadecimal, salt, HMAC-SHA256 of the ciphertext, and ciphertext, one a line.
Keys: PBKDF2-HMAC-SHA256, 10 000 rounds, 80 bytes (32 cipher, 32 HMAC, 16 counter); cipher: AES-256-CTR over
PKCS#7-padded text. docs/adr/0002 says why it is read here.
"""

import binascii
import getpass
import hashlib
import hmac
import os
import secrets
import stat
import subprocess
import sys
from pathlib import Path

from lpse_ops.errors import VaultError
from lpse_ops.i18n import _

_HEADER = "$ANSIBLE_VAULT"
_ROUNDS = 10_000
_BLOCK = 16
PASSWORD_VARIABLE = "LPSE_OPS_VAULT_PASSWORD_FILE"  # noqa: S105 - the name of a variable


def is_vault(text: str) -> bool:
    """Return whether a text is an encrypted vault."""
    return text.lstrip().startswith(_HEADER + ";")


def decrypt(text: str, password: str, name: str = "vault.yml") -> str:
    """Given a vault's text and its password, return the plain text.

    Raise VaultError if it is not encrypted, damaged, of an unknown version, or the password is wrong; `name` is the
    file's name for the message.
    """
    salt, digest, ciphertext = _parse(text, name)
    cipher_key, hmac_key, counter = _keys(password, salt)
    if not hmac.compare_digest(hmac.digest(hmac_key, ciphertext, "sha256"), digest):
        raise VaultError(
            _("The password does not open %(file)s.") % {"file": name},
            hint=_(
                "Check the password file. If the password is right, the vault was altered: take it from a backup."
            ),
        )
    padded = _aes_ctr(cipher_key, counter, ciphertext)
    padding = padded[-1] if padded else 0
    if not 1 <= padding <= _BLOCK or padded[-padding:] != bytes([padding]) * padding:
        raise _damaged(name)
    try:
        return padded[:-padding].decode()
    except UnicodeDecodeError:
        raise _damaged(name) from None


def encrypt(text: str, password: str) -> str:
    """Given a text and a password, return a vault that `ansible-vault` and `decrypt` open."""
    salt = secrets.token_bytes(32)
    cipher_key, hmac_key, counter = _keys(password, salt)
    data = text.encode()
    padding = _BLOCK - len(data) % _BLOCK
    ciphertext = _aes_ctr(cipher_key, counter, data + bytes([padding]) * padding)
    inner = b"\n".join(map(binascii.hexlify, (salt, hmac.digest(hmac_key, ciphertext, "sha256"), ciphertext)))
    body = binascii.hexlify(inner).decode()
    return "\n".join([f"{_HEADER};1.1;AES256", *(body[i : i + 80] for i in range(0, len(body), 80)), ""])


def find_password(password_file: Path | None, folder: Path) -> str:
    """Return the vault's password.

    It comes from the first of: `password_file`; ``LPSE_OPS_VAULT_PASSWORD_FILE``; ``.vault-password`` in `folder` (a
    lab's own); a question at the terminal. A password file that is executable is run and its output taken, as Ansible
    does. Raise VaultError if there is none or it cannot be read.
    """
    named = password_file or (Path(value) if (value := os.environ.get(PASSWORD_VARIABLE)) else None)
    own = folder / ".vault-password"
    if named is not None:
        return _read_password(named.expanduser())
    if own.exists():
        return _read_password(own)
    if sys.stdin.isatty():
        return getpass.getpass(_("Password of the vault in %(folder)s: ") % {"folder": folder})
    raise VaultError(
        _("The vault's password is needed, and there is no terminal to ask at."),
        hint=_("Pass --vault-password-file FILE or set %(name)s.") % {"name": PASSWORD_VARIABLE},
    )


def _read_password(path: Path) -> str:
    try:
        if path.stat().st_mode & stat.S_IXUSR and not path.is_dir():
            done = subprocess.run([path.resolve()], check=True, capture_output=True, text=True, timeout=60)
            text = done.stdout
        else:
            text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise VaultError(
            _("The vault password file %(path)s does not exist.") % {"path": path},
            hint=_("Check the path after --vault-password-file or in %(name)s.")
            % {"name": PASSWORD_VARIABLE},
        ) from None
    except (OSError, UnicodeDecodeError, subprocess.SubprocessError) as error:
        raise VaultError(
            _("The vault password file %(path)s cannot be read: %(reason)s.")
            % {"path": path, "reason": type(error).__name__},
            hint=_("It must be a text file that you may read and that holds the password only."),
        ) from None
    if not text.strip():
        raise VaultError(
            _("The vault password file %(path)s is empty.") % {"path": path},
            hint=_("It must be a text file that you may read and that holds the password only."),
        )
    return text.strip()


def _parse(text: str, name: str) -> tuple[bytes, bytes, bytes]:
    if not is_vault(text):
        raise VaultError(
            _("%(file)s is not encrypted.") % {"file": name},
            hint=_("Encrypt it now: `ansible-vault encrypt %(file)s`; then change the secrets that lay open.")
            % {"file": name},
        )
    header, *lines = text.strip().splitlines()
    words = header.strip().split(";")
    if words[1:3] not in (["1.1", "AES256"], ["1.2", "AES256"]):
        raise VaultError(
            _("%(file)s is a vault of an unknown kind: %(header)s.") % {"file": name, "header": header[:60]},
            hint=_("Rewrite it with `ansible-vault rekey %(file)s`.") % {"file": name},
        )
    try:
        inner = binascii.unhexlify("".join(line.strip() for line in lines))
        salt, digest, ciphertext = map(binascii.unhexlify, inner.split(b"\n"))
    except (binascii.Error, ValueError):
        raise _damaged(name) from None
    if len(digest) != hashlib.sha256().digest_size or not ciphertext or len(ciphertext) % _BLOCK:
        raise _damaged(name)
    return salt, digest, ciphertext


def _damaged(name: str) -> VaultError:
    return VaultError(
        _("%(file)s is damaged: it begins like a vault, but cannot be read as one.") % {"file": name},
        hint=_("It may be cut off or have been edited by hand: take it from a backup."),
    )


def _keys(password: str, salt: bytes) -> tuple[bytes, bytes, bytes]:
    derived = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS, 80)
    return derived[:32], derived[32:64], derived[64:]


def _aes_ctr(key: bytes, counter: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CTR

    # Encryption and decryption are the same in counter mode.
    transform = Cipher(AES(key), CTR(counter)).encryptor()
    return transform.update(data) + transform.finalize()
