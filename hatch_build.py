"""Puts playbooks, roles, templates and inventories into the wheel, as ``lpse_ops/_content``.

Only into a real wheel: together with an editable install the same copy would grow stale beside the checkout.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Not all of inventory/: an office's own lies there too, with its vault and its key.
CONTENT = ("playbooks", "roles", "templates", "inventory/example", "inventory/lab", "ansible.cfg")


class ContentHook(BuildHookInterface[Any]):
    """Adds the files that are not Python to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Given the kind of build (``standard`` or ``editable``), add the content to a standard one."""
        if version == "standard":
            build_data["force_include"].update({name: f"lpse_ops/_content/{name}" for name in CONTENT})
