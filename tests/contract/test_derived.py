"""What is derived from one source is what is in the tree (`make reference` writes it)."""

import json

import jsonschema
import pytest
import yaml

from lpse_ops.site.schema import site_schema
from scripts.reference import derived
from tests.support.modules import ROOT


@pytest.mark.parametrize("path", sorted(derived()), ids=lambda p: str(p.relative_to(ROOT)))
def test_derived_file_is_fresh(path: object) -> None:
    by_name = {str(p): (p, text) for p, text in derived().items()}
    file, text = by_name[str(path)]
    assert file.read_text() == text, "run `make reference`"


def test_schema_accepts_the_example_and_refuses_a_typo() -> None:
    schema = json.loads(json.dumps(site_schema()))
    example = yaml.safe_load((ROOT / "inventory/example/group_vars/all/site.yml").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    assert list(validator.iter_errors(example)) == []
    example["lpse"]["servce"] = {}
    assert list(validator.iter_errors(example))


def test_shipped_safety_waits() -> None:
    """The floor of a failover (docs/performance.md) is reckoned with these."""
    example = yaml.safe_load((ROOT / "inventory/example/group_vars/all/site.yml").read_text())
    lab = yaml.safe_load((ROOT / "inventory/lab/group_vars/all/site.yml").read_text())
    shipped = {"from": "controller", "reread_after_s": 2.0, "silent_for_s": 1.0}
    assert example["lpse"]["fencing"] == lab["lpse"]["fencing"] == shipped
