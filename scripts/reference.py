"""Write what is derived from one source: ``python scripts/reference.py`` (``make reference``).

The example's site.yml and docs/inventory.md come from the model of a site, the README of a role from its argument
specs (sections below that part are kept). A contract test compares them with what is in the tree.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lpse_ops.site.reference import example_site, reference  # noqa: E402

END = (
    "The defaults are in `defaults/main.yml`; the types are checked before the role runs "
    "(`meta/argument_specs.yml`)."
)


def derived() -> dict[Path, str]:
    """Return the text of every derived file by its path."""
    files = {
        ROOT / "inventory" / "example" / "group_vars" / "all" / "site.yml": example_site(),
        ROOT / "docs" / "inventory.md": reference(),
    }
    for specs in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        role = specs.parent.parent
        derived_part = role_readme(role.name, yaml.safe_load(specs.read_text())["argument_specs"])
        files[role / "README.md"] = derived_part + by_hand(role / "README.md")
    return files


def by_hand(readme: Path) -> str:
    """Given a role's README, return what was written by hand below the derived part: its sections after `END`."""
    if not readme.exists():
        return ""
    _derived, end, rest = readme.read_text().partition(f"{END}\n")
    return rest if end else ""


def role_readme(name: str, specs: dict[str, Any]) -> str:
    """Given a role's name and its argument specs, return its README."""
    main = specs["main"]
    parts = [f"# Role {name}", f"{main['short_description']}.", "\n".join(_list(main.get("description", [])))]
    options = main.get("options") or {}
    if options:
        rows = ["| Name | Type | Default | Meaning |", "|---|---|---|---|"]
        rows += [f"| `{key}` | {_type(o)} | {_default(o)} | {_meaning(o)} |" for key, o in options.items()]
        parts += ["## Variables", "\n".join(rows)]
    else:
        parts.append("It has no variables of its own.")
    others = [
        f"- `tasks_from: {entry}`: {spec['short_description']}. {' '.join(_list(spec.get('description', [])))}".rstrip()
        for entry, spec in specs.items()
        if entry != "main"
    ]
    if others:
        parts += ["## Entry points", "\n".join(others)]
    if options:
        parts.append(END)
    return "\n\n".join(part for part in parts if part) + "\n"


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _type(option: dict[str, Any]) -> str:
    kind = str(option.get("type", "str"))
    return f"{kind} of {option['elements']}" if "elements" in option else kind


def _default(option: dict[str, Any]) -> str:
    if option.get("required"):
        return "required"
    default = option.get("default")
    if default in (None, "", [], {}):
        return "empty, secret" if option.get("no_log") else "empty"
    if isinstance(default, list):
        return f"`{', '.join(map(str, default))}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _meaning(option: dict[str, Any]) -> str:
    text = " ".join(_list(option.get("description", "")))
    if "choices" in option:
        text += f" One of: {', '.join(map(str, option['choices']))}."
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for path, text in derived().items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(path.relative_to(ROOT))
