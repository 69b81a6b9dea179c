"""The JSON Schema of site.yml, for editors and other programs."""

from typing import Any

from lpse_ops.site.model import SiteSettings

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def site_schema() -> dict[str, Any]:
    """Return the JSON Schema of ``group_vars/all/site.yml``."""
    settings = SiteSettings.model_json_schema(by_alias=True)
    definitions = settings.pop("$defs", {})
    return {
        "$schema": DIALECT,
        "title": "site.yml of lpse-ops",
        "type": "object",
        "required": ["lpse"],
        "additionalProperties": False,
        "properties": {"lpse": settings},
        "$defs": definitions,
    }
