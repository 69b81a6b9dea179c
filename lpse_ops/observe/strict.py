"""Strict reading of a host's JSON into frozen dataclasses, guided by their annotations."""

from collections.abc import Hashable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from lpse_ops.errors import InternalError
from lpse_ops.i18n import _
from lpse_ops.observe.lsn import Lsn

T = TypeVar("T")


def read(kind: type[T], data: object, host: str, path: str = "") -> T:
    """Given a dataclass, a JSON object of `host` and the object's place in the reply, return an instance.

    A key that is absent counts as null (not seen). Raise InternalError, naming host and key, for an unknown
    key, a value of another type, or a null where the annotation allows none.
    """
    if not isinstance(data, Mapping):
        raise _fault(host, path, _("an object was expected, not %(value)r") % {"value": data})
    hints = _hints(cast(Hashable, kind))
    unknown = sorted(str(key) for key in data.keys() - hints.keys())
    if unknown:
        raise _fault(host, _join(path, unknown[0]), _("this key is unknown"))
    values = {name: _value(hint, data.get(name), host, _join(path, name)) for name, hint in hints.items()}
    return kind(**values)


def plain(value: Any) -> Any:
    """Given an instance that `read` returned (or a part of one), return it as JSON-ready data."""
    if isinstance(value, Lsn):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(hint: Any, value: object, host: str, path: str) -> Any:
    wanted = hint
    if get_origin(hint) in (Union, UnionType):
        options = [option for option in get_args(hint) if option is not NoneType]
        if value is None and len(options) < len(get_args(hint)):
            return None
        wanted = options[0]
    if get_origin(wanted) is tuple:
        return _sequence(get_args(wanted)[0], value, host, path)
    if is_dataclass(wanted) and wanted is not Lsn:
        return read(cast(type, wanted), value, host, path)
    return _scalar(wanted, value, host, path)


def _sequence(item: Any, value: object, host: str, path: str) -> tuple[Any, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _fault(host, path, _("a list was expected, not %(value)r") % {"value": value})
    return tuple(_value(item, entry, host, f"{path}[{index}]") for index, entry in enumerate(value))


def _scalar(wanted: Any, value: object, host: str, path: str) -> Any:
    if wanted is Lsn and isinstance(value, str):
        try:
            return Lsn.parse(value)
        except ValueError:
            raise _fault(host, path, _("%(value)r is no place in the log") % {"value": value}) from None
    if wanted is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    # bool is a subclass of int: a true in place of a number is a mistake of the sender
    if isinstance(value, bool) != (wanted is bool) or not isinstance(value, wanted):
        raise _fault(host, path, _("%(value)r is of the wrong type") % {"value": value})
    return value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _fault(host: str, path: str, what: str) -> InternalError:
    return InternalError(
        _("The answer of %(host)s cannot be read at %(key)s: %(what)s.")
        % {"host": host, "key": path or _("its top"), "what": what},
        hint=_("Bring lpse-node on %(host)s to this version: lpse-ops provision %(host)s") % {"host": host},
    )
