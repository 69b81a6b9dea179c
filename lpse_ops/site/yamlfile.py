"""YAML files read with the line of every key, so that a fault can be shown where it is.

Plain YAML only: duplicate keys, templating (``{{``) and merge keys are refused, because Ansible and lpse-ops would
read such a file differently.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from lpse_ops.i18n import _

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without its C part is ten times slower, but right
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

Key = tuple[str | int, ...]
# Enough for any inventory; stops a file that refers to itself over and over.
MAX_NODES = 20_000


@dataclass(frozen=True)
class Fault:
    """One thing wrong with an inventory: where, what, and what to do."""

    file: str
    problem: str
    remedy: str = ""
    key: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        parts = [place, self.key, self.problem] if self.key else [place, self.problem]
        return ": ".join(parts) + (f" -> {self.remedy}" if self.remedy else "")


@dataclass
class Document:
    """A YAML file as plain data, with the lines of its keys and what is wrong with it as YAML."""

    name: str
    data: Any = None
    lines: dict[Key, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, key: Key) -> int | None:
        """Given a key's path, return its line, or that of the nearest key above it that is there."""
        while key not in self.lines and key:
            key = key[:-1]
        return self.lines.get(key)

    def fault(self, key: Key, problem: str, remedy: str = "") -> Fault:
        """Return a fault at a key's path."""
        return Fault(self.name, problem, remedy, dotted(key), self.line(key))

    def get(self, *key: str | int) -> Any:
        """Given a key's path, return its value, or None where there is none."""
        value = self.data
        for part in key:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value


def dotted(key: Key) -> str:
    """Given a key's path, return it as a person writes it: ``lpse.access.public_keys[0]``."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def parse(name: str, text: str) -> Document:
    """Given a file's name and text, return it as a Document; faults of the YAML itself are in its `faults`."""
    document = Document(name)
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        document.faults.append(_syntax_fault(name, text, error))
        return document
    except yaml.YAMLError as error:
        document.faults.append(Fault(name, _("not YAML: %(reason)s") % {"reason": _first_line(str(error))}))
        return document
    if root is not None:
        reader = _Reader(document)
        document.data = reader.read(root, (), ())
    return document


def _syntax_fault(name: str, text: str, error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    line = None if mark is None else mark.line + 1
    lines = text.splitlines()
    near = lines[max(0, (line or 1) - 2) : line or 1]
    if any("{{" in part.split("#")[0] for part in near):
        return _template_fault(name, "", line)
    if any("\t" in part[: len(part) - len(part.lstrip())] for part in near):
        return Fault(name, _("a tab stands at the start of a line"), _("use spaces only"), line=line)
    return Fault(
        name,
        _("not YAML: %(reason)s") % {"reason": error.problem or error.context or ""},
        _("look at this line and the one above: indentation, quotes, a missing colon"),
        line=line,
    )


def _template_fault(name: str, key: str, line: int | None) -> Fault:
    return Fault(
        name,
        _("templating ('{{') is not read here"),
        _("write the value itself; templating is allowed in connection.yml only"),
        key,
        line,
    )


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""


class _Reader:
    """Turns composed YAML nodes into plain data and notes lines and faults on the way."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.left = MAX_NODES
        self.loader = yaml.SafeLoader("")

    def read(self, node: yaml.Node, key: Key, above: tuple[int, ...]) -> Any:
        self.left -= 1
        if id(node) in above or self.left < 0:
            self.fault(key, node, _("a YAML alias refers to itself or is too big"), _("write the values out"))
            return None
        self.document.lines.setdefault(key, node.start_mark.line + 1)
        inside = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return dict(self.pairs(node, key, inside))
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*key, index), inside) for index, child in enumerate(node.value)]
        if "{{" in str(node.value):
            self.document.faults.append(
                _template_fault(self.document.name, dotted(key), node.start_mark.line + 1)
            )
            return None
        return self.scalar(node, key)

    def pairs(self, node: yaml.MappingNode, key: Key, inside: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                self.document.faults.append(_template_fault(self.document.name, dotted(key), line))
                continue
            name = str(name_node.value)
            if name_node.tag.endswith(":merge"):
                self.fault(
                    (*key, name), name_node, _("merge keys ('<<') are not read here"), _("write the keys out")
                )
            elif name in seen:
                self.fault(
                    (*key, name),
                    name_node,
                    _("this key stands here a second time (first in line %(line)s)") % {"line": seen[name]},
                    _("keep one of the two"),
                )
            else:
                seen[name] = line
                self.document.lines[(*key, name)] = line
                yield name, self.read(value_node, (*key, name), inside)

    def scalar(self, node: yaml.Node, key: Key) -> Any:
        try:
            return self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self.fault(
                key, node, _("this value cannot be read"), _("put it in quotes, or remove its '!' tag")
            )
            return None

    def fault(self, key: Key, node: yaml.Node, problem: str, remedy: str) -> None:
        self.document.faults.append(
            Fault(self.document.name, problem, remedy, dotted(key), node.start_mark.line + 1)
        )
