"""Writes what is derived from the model: the example's site.yml and docs/inventory.md (``make reference``)."""

import json
import re
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lpse_ops.site.model import SiteSettings

_WIDTH = 100
_EXAMPLE_HEAD = """\
# What should be: one site. Plain YAML, no templating. `lpse-ops site check` names every fault in it.
# Made from the model by `make reference`; a real site begins as a copy of this folder.
"""
_REFERENCE_HEAD = """\
# Inventory: every key

Made from the model by `make reference`; do not edit. The JSON Schema is `lpse-ops site schema`. Files of an inventory:

| File | What it holds |
|---|---|
| `hosts.yml` | groups `nodes` (two hosts) and `repository` (one), each host with its `ansible_host` |
| `group_vars/all/site.yml` | the keys below |
| `group_vars/all/connection.yml` | how Ansible connects; the only file where templating is allowed |
| `group_vars/all/vault.yml` | the secrets, encrypted as a whole with ansible-vault |
| `known_hosts` | the host keys that are trusted; one for every host |
| `artifacts/` | golden copy, certificate, signing key of the package store |

Keys of `site.yml`, all below `lpse`:

| Key | Example | Meaning |
|---|---|---|
"""


def example_site() -> str:
    """Return the text of the example's site.yml: every key, with its description as a comment."""
    return _EXAMPLE_HEAD + "---\nlpse:\n" + "\n".join(_lines(SiteSettings, 2)) + "\n"


def reference() -> str:
    """Return the text of docs/inventory.md."""
    rows = [
        f"| `{key}` | {'' if _model(field) else f'`{_yaml(field.examples)}`'} | {_meaning(field)} |"
        for key, field in _fields(SiteSettings, "")
    ]
    return _REFERENCE_HEAD + "\n".join(rows) + "\n"


def _lines(model: type[BaseModel], indent: int, *, comments: bool = True) -> Iterator[str]:
    pad = " " * indent
    for name, field in model.model_fields.items():
        key, inner = field.alias or name, _model(field)
        if comments:
            yield from textwrap.wrap(
                field.description or "", _WIDTH, initial_indent=f"{pad}# ", subsequent_indent=f"{pad}# "
            )
        if inner and _instead_of(field):  # both at once would be wrong
            if comments:
                yield from (f"{pad}# {line}" for line in (f"{key}:", *_lines(inner, 2)))
            continue
        yield f"{pad}{key}:" if inner else f"{pad}{key}: {_yaml(field.examples)}"
        if inner and key == "nodes":
            yield f"{pad}  node1:"
            yield from _lines(inner, indent + 4)
            yield f"{pad}  node2:"
            for line in _lines(inner, indent + 4, comments=False):
                yield line.replace("192.0.2.21", "192.0.2.22")
        elif inner:
            yield from _lines(inner, indent + 2, comments=comments)


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        inner = _model(field)
        yield key, field
        if inner is not None:
            yield from _fields(inner, f"{key}.NODE." if name == "nodes" else f"{key}.")


def _meaning(field: FieldInfo) -> str:
    text = (field.description or "").replace("|", "\\|")
    return text if field.is_required() else f"{text} May be left out."


def _model(field: FieldInfo) -> type[BaseModel] | None:
    annotation: Any = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    models = [part for part in get_args(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
    return models[-1] if models else None


def _instead_of(field: FieldInfo) -> bool:
    return isinstance(field.json_schema_extra, dict) and "x-instead-of" in field.json_schema_extra


def _yaml(examples: list[Any] | None) -> str:
    value = examples[0] if examples else None
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z/][A-Za-z0-9 ._/-]*|[0-9.]+", value)
    return str(value) if plain else json.dumps(value, ensure_ascii=False)
