"""Imports go one way (docs/adr/0001), and what is slow is imported late."""

import subprocess
import sys

import pytest

from tests.support.modules import PACKAGE, ROOT, Import, imports, module_name, sources

BASE = {"errors", "i18n", "waiting", "content", "state"}
# Which parts of the package each part may import (besides itself).
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "i18n": set(),
    "state": set(),
    "content": {"errors", "i18n"},
    "waiting": {"errors", "i18n"},
    "site": {"errors", "i18n", "content"},
    "plan": {"errors", "i18n"},
    "procedures": {"errors", "i18n", "plan", "observe", "site"},
    "remote": BASE | {"site"},
    "observe": BASE | {"remote", "site"},
    "actions": BASE | {"plan", "observe", "remote", "site"},
    "engine": BASE | {"actions", "plan", "observe", "remote", "site"},
    "papers": BASE | {"engine", "plan", "site"},
    "lab": BASE | {"site"},
    "verification": BASE | {"site", "observe", "remote"},
    "drill": BASE
    | {"lab", "engine", "papers", "plan", "procedures", "observe", "remote", "site", "verification"},
    "cli": {"*"},
    "__main__": {"cli"},
}
HEAVY = {"paramiko", "ansible_runner", "ansible"}
PURE = ("plan", "procedures", "site", "errors")


def part(module: str) -> str:
    words = module.split(".")
    return words[1] if len(words) > 1 else ""


def is_allowed(found: Import) -> bool:
    owner, target = part(found.module), part(found.target)
    exists = (PACKAGE / target).is_dir() or (PACKAGE / target).with_suffix(".py").is_file()
    if not exists or owner in {"", target} or "*" in ALLOWED[owner]:
        return True
    return any(f"{found.target}.".startswith(f"lpse_ops.{allowed}.") for allowed in ALLOWED[owner])


def test_every_part_has_its_place() -> None:
    assert {part(module_name(path)) for path in sources()} - {""} == set(ALLOWED)


def test_one_direction() -> None:
    found = [i for path in sources() for i in imports(path) if i.target.startswith("lpse_ops.")]
    assert len(found) > 100
    wrong = [f"{i.module}:{i.line} imports {i.target}" for i in found if not is_allowed(i)]
    assert wrong == []


def test_only_remote_reaches_hosts_and_lazily() -> None:
    found = [i for path in sources() for i in imports(path) if i.target.split(".")[0] in HEAVY]
    wrong = [
        f"{i.module}:{i.line} imports {i.target}"
        for i in found
        if not i.module.startswith("lpse_ops.remote.") or i.top_level
    ]
    assert found
    assert wrong == []


@pytest.mark.parametrize("name", PURE)
def test_pure_parts_never_load_what_reaches_hosts(name: str) -> None:
    """What a plan is made from does no I/O on hosts: not even the modules that could are loaded."""
    modules = [module_name(path) for path in sources() if part(module_name(path)) == name]
    loaded = _modules_after(f"import {', '.join(modules)}")
    assert not {m for m in loaded if m.startswith("lpse_ops.remote.") or m.split(".")[0] in HEAVY}


def test_help_loads_nothing_slow() -> None:
    loaded = _modules_after("from lpse_ops.cli.output import run_cli; run_cli(['--help'])")
    slow = HEAVY | {"pydantic", "yaml", "cryptography", "jinja2", "rich", "pytest"}
    assert not {m.split(".")[0] for m in loaded} & slow
    assert not {m for m in loaded if m.startswith("lpse_ops.") and part(m) not in {*BASE, "cli"}}


def _modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys; print('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stderr.split())
