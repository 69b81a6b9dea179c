"""Every role states its contract: specs equal defaults, README from the specs, meta that names it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.modules import ROOT

ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.exists() else None


def options(role: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in load(role / "meta" / "argument_specs.yml")["argument_specs"].values():
        found |= entry.get("options") or {}
    return found


def test_there_are_roles() -> None:
    assert len(ROLES) >= 12


@pytest.mark.parametrize("role", ROLES, ids=lambda r: r.name)
def test_specs_equal_defaults(role: Path) -> None:
    specs = options(role)
    defaults = load(role / "defaults" / "main.yml") or {}
    with_default = {name: spec["default"] for name, spec in specs.items() if "default" in spec}
    assert with_default == defaults
    without = {name for name, spec in specs.items() if "default" not in spec}
    assert {name for name in without if not specs[name].get("required")} == set()


@pytest.mark.parametrize("role", ROLES, ids=lambda r: r.name)
def test_names_types_and_words(role: Path) -> None:
    for name, spec in options(role).items():
        assert name.startswith(f"{role.name}_"), name
        assert spec.get("type"), name
        assert spec.get("description"), name
        assert spec["type"] != "list" or spec.get("elements"), name
        if any(word in name for word in ("password", "secret", "_key")) and spec.get("no_log") is None:
            # A key that is a file, a public key or a signing key is no secret; the specs must say which it is.
            text = str(spec["description"]).lower()
            assert any(word in text for word in ("public", "path", "file", "name")), name


@pytest.mark.parametrize("role", ROLES, ids=lambda r: r.name)
def test_has_what_a_role_has(role: Path) -> None:
    info = load(role / "meta" / "main.yml")["galaxy_info"]
    assert info["description"]
    assert info["license"] == "Apache-2.0"
    assert (role / "tasks" / "main.yml").is_file()
    assert (role / "README.md").is_file()
