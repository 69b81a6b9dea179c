"""The package's own sources, parsed: which modules there are and what each imports."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "lpse_ops"


@dataclass(frozen=True)
class Import:
    """One import: who, what, where, and whether it runs when the module is imported."""

    module: str
    target: str
    line: int
    top_level: bool


def sources(folder: Path = PACKAGE) -> list[Path]:
    """Return the Python files below a folder, sorted."""
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def module_name(path: Path) -> str:
    """Given a file of the package, return its dotted name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[Import]:
    """Given a file, yield what it imports; what stands under ``if TYPE_CHECKING`` is for the type checker only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from _walk(tree, module_name(path), top_level=True)


def _walk(node: ast.AST, module: str, *, top_level: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            for name in child.names:
                yield Import(module, name.name, child.lineno, top_level)
        elif isinstance(child, ast.ImportFrom) and child.module and not child.level:
            yield Import(module, child.module, child.lineno, top_level)
            if child.module == "lpse_ops":
                for name in child.names:
                    yield Import(module, f"lpse_ops.{name.name}", child.lineno, top_level)
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, module, top_level=top_level and not inside)
