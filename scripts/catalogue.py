"""Bring the Indonesian catalogue up to date with the source and compile it: ``make translations``.

Messages that are gone are dropped, new ones come in empty and are printed. The files hold no dates and no line
numbers, so that they change only when a message does. Exit code 1 if a translation is missing.
"""

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "lpse_ops"
PO = PACKAGE / "locale" / "id" / "LC_MESSAGES" / "lpse_ops.po"
MO = PO.with_suffix(".mo")
HEADER = """\
# Bahasa Indonesia for lpse-ops. Fill in msgstr, then run `make translations`.
msgid ""
msgstr ""
"Project-Id-Version: lpse-ops\\n"
"Language: id\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

"""


def messages() -> list[str]:
    """Return all messages of the source, sorted."""
    found = extract_from_dir(str(PACKAGE), method_map=[("**.py", "python")], keywords={"_": None, "N_": None})
    return sorted({str(message) for _name, _line, message, _comments, _context in found if message})


def load(path: Path = PO) -> Catalog:
    """Return a catalogue, empty if there is none."""
    if not path.exists():
        return Catalog(locale="id")
    with path.open("rb") as file:
        return read_po(file, locale="id")


def fresh() -> Catalog:
    """Return the catalogue as it should be: the source's messages with the translations there are."""
    old, new = load(), Catalog(locale="id", domain="lpse_ops")
    for message in messages():
        known = old.get(message)
        new.add(message, known.string if known else "")
    return new


def as_po(catalogue: Catalog) -> str:
    """Return a catalogue as the text of a .po file."""
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=0, omit_header=True, sort_output=True)
    return HEADER + buffer.getvalue().decode().lstrip()


def as_mo(catalogue: Catalog) -> bytes:
    """Return a catalogue as the bytes of a .mo file; what is not translated is left out."""
    plain = read_po(io.BytesIO(as_po(catalogue).encode()), locale="id")
    # Else babel writes the present moment into the header, and no two files are alike.
    plain.creation_date = plain.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    buffer = io.BytesIO()
    write_mo(buffer, plain)
    return buffer.getvalue()


def main() -> int:
    """Write both files and return the exit code."""
    catalogue = fresh()
    PO.parent.mkdir(parents=True, exist_ok=True)
    PO.write_text(as_po(catalogue))
    MO.write_bytes(as_mo(catalogue))
    missing = [str(message.id) for message in catalogue if message.id and not message.string]
    for message in missing:
        print(f"not translated: {message!r}")
    print(f"{len(messages()) - len(missing)} of {len(messages())} messages are translated")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
