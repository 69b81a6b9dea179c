"""Every lint rule that is switched off is explained in docs/adr/0006."""

import re
import tomllib

import yaml

from tests.support.modules import ROOT

EXPLAINED = set(
    re.findall(r"^\| \w+ \| `([^`]+)` \|", (ROOT / "docs/adr/0006-lint-rules.md").read_text(), re.M)
)


def test_ruff_and_yamllint() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    off = {*lint["ignore"], *(rule for rules in lint["per-file-ignores"].values() for rule in rules)}
    rules = yaml.safe_load((ROOT / ".yamllint").read_text())["rules"]
    off |= {name for name, value in rules.items() if value == "disable"}
    assert off == EXPLAINED


def test_ansible_lint_skips_nothing() -> None:
    config = yaml.safe_load((ROOT / ".ansible-lint").read_text())
    assert config["profile"] == "production"
    assert not config.get("skip_list")
    assert not config.get("warn_list")
    content = [*(ROOT / "roles").rglob("*.yml"), *(ROOT / "playbooks").rglob("*.yml")]
    assert [str(path) for path in content if "noqa" in path.read_text()] == []


def test_mypy_is_strict() -> None:
    mypy = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert mypy["strict"] is True
    assert all(set(each) == {"module", "ignore_missing_imports"} for each in mypy["overrides"])
