"""Turns what pydantic says about a value into what a person needs: what is wrong and what to do."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, get_args

from pydantic import BaseModel

from lpse_ops.i18n import _
from lpse_ops.site.yamlfile import Document, Fault, Key

_Words = tuple[str, str]


def explain(document: Document, root: Key, model: type[BaseModel], details: Mapping[str, Any]) -> Fault:
    """Given one error of pydantic (an item of `ValidationError.errors`), return it as a Fault.

    `model` is what was validated, read from under the key `root` of `document`. The value itself is never shown:
    it may be a secret.
    """
    key: Key = (*root, *(part for part in details["loc"] if part != "[key]"))
    kind = str(details["type"])
    context: Mapping[str, Any] = details.get("ctx") or {}
    if kind == "extra_forbidden":
        problem, remedy = _unknown(key, model, details["loc"])
    elif kind in _TEXTS:
        problem, remedy = _TEXTS[kind](context)
    else:
        problem, remedy = str(details["msg"]), ""
    return document.fault(key, problem, remedy)


def _unknown(key: Key, model: type[BaseModel], location: tuple[str | int, ...]) -> _Words:
    owner = _owner(model, location[:-1])
    names = sorted((f.alias or name) for name, f in owner.model_fields.items()) if owner else []
    near = get_close_matches(str(key[-1]), names, n=1)
    if near:
        return _("this key is unknown"), _("did you mean `%(key)s`?") % {"key": near[0]}
    return _("this key is unknown"), _("remove it; allowed here: %(keys)s") % {"keys": ", ".join(names)}


def _owner(model: type[BaseModel], location: tuple[str | int, ...]) -> type[BaseModel] | None:
    """Given a model and a place inside it, return the model that stands there."""
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            fields = {(f.alias or name): f for name, f in current.model_fields.items()}
            current = fields[str(part)].annotation if str(part) in fields else None
        elif get_args(current):
            current = get_args(current)[-1]
        if isinstance(current, UnionType):  # a key that may be left out
            current = next(kind for kind in get_args(current) if kind is not NoneType)
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _text(problem: Callable[[], str], remedy: Callable[[], str]) -> Callable[[Mapping[str, Any]], _Words]:
    return lambda context: (problem() % context, remedy() % context)


def _ours(context: Mapping[str, Any]) -> _Words:
    return str(context["message"]), ""


def _size(context: Mapping[str, Any], of_text: str, problem: str, remedy: str) -> _Words:
    """Words for a length: a secret is text, though pydantic counts it like a collection."""
    if context.get("field_type") in {"Tuple", "List", "Dictionary", "Mapping"}:
        return problem, remedy % context
    return _TEXTS[of_text](context)


_TEXTS: Mapping[str, Callable[[Mapping[str, Any]], _Words]] = {
    "missing": _text(
        lambda: _("this key is missing"), lambda: _("add it; the example inventory shows and explains it")
    ),
    "lpse": _ours,
    "string_type": _text(
        lambda: _("this must be text"), lambda: _("put it in quotes if it looks like a number")
    ),
    "int_type": _text(lambda: _("this must be a whole number"), lambda: _("write it without quotes")),
    "float_type": _text(lambda: _("this must be a number"), lambda: _("write it without quotes")),
    "bool_type": _text(lambda: _("this must be true or false"), lambda: _("write it without quotes")),
    "model_type": _text(lambda: _("keys must stand below this one"), lambda: _("see the example inventory")),
    "model_attributes_type": _text(
        lambda: _("keys must stand below this one"), lambda: _("see the example inventory")
    ),
    "dict_type": _text(lambda: _("keys must stand below this one"), lambda: _("see the example inventory")),
    "mapping_type": _text(
        lambda: _("keys must stand below this one"), lambda: _("see the example inventory")
    ),
    "tuple_type": _text(
        lambda: _("this must be a list"), lambda: _("write each item on its own line after '- '")
    ),
    "list_type": _text(
        lambda: _("this must be a list"), lambda: _("write each item on its own line after '- '")
    ),
    "literal_error": _text(lambda: _("this value is not allowed"), lambda: _("allowed: %(expected)s")),
    "greater_than": _text(lambda: _("this number is too small"), lambda: _("more than %(gt)s is needed")),
    "greater_than_equal": _text(
        lambda: _("this number is too small"), lambda: _("at least %(ge)s is needed")
    ),
    "less_than": _text(lambda: _("this number is too big"), lambda: _("less than %(lt)s is needed")),
    "less_than_equal": _text(lambda: _("this number is too big"), lambda: _("at most %(le)s is allowed")),
    "string_too_short": _text(
        lambda: _("this text is too short"), lambda: _("it needs %(min_length)s characters or more")
    ),
    "string_too_long": _text(
        lambda: _("this text is too long"), lambda: _("it may have %(max_length)s characters")
    ),
    "too_short": lambda c: _size(c, "string_too_short", _("too few entries"), _("%(min_length)s are needed")),
    "too_long": lambda c: _size(c, "string_too_long", _("too many entries"), _("%(max_length)s are allowed")),
    "string_pattern_mismatch": _text(
        lambda: _("this text has characters that are not allowed here"),
        lambda: _("it must match %(pattern)s"),
    ),
}
