"""Translation of everything a user reads: English in the source, Bahasa Indonesia in the catalogue.

The language is the first of ``LPSE_OPS_LANGUAGE``, ``LC_ALL``, ``LC_MESSAGES``, ``LANG`` that is set.
Messages are marked ``_("...")``; a message is looked up when it is *used*, so `set_language` works at any time.
"""

import gettext
import os
from pathlib import Path

LOCALE_DIR = Path(__file__).parent / "locale"
LANGUAGES = ("en", "id")

_state: dict[str, gettext.NullTranslations] = {}


def set_language(language: str | None) -> None:
    """Given a language code (``en``, ``id``; None for the environment's), use it from now on."""
    _state["translations"] = _load(language or _from_environment())


def language() -> str:
    """Return the code of the language in use: ``en`` or ``id``."""
    info = _translations().info()
    return "id" if info.get("language", "").startswith("id") else "en"


def _(message: str) -> str:
    """Return `message` in the language in use (the message itself where there is no translation)."""
    return _translations().gettext(message)


def _translations() -> gettext.NullTranslations:
    if "translations" not in _state:
        set_language(None)
    return _state["translations"]


def _load(code: str) -> gettext.NullTranslations:
    return gettext.translation("lpse_ops", LOCALE_DIR, languages=[code], fallback=True)


def _from_environment() -> str:
    for name in ("LPSE_OPS_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        code = os.environ.get(name, "").split("_")[0].split(".")[0]
        if code:
            return code if code in LANGUAGES else "en"
    return "en"


def N_(message: str) -> str:  # noqa: N802  (gettext's own name for "translate where it is shown")
    """Return `message` as it is; marks it for the catalogue."""
    return message
