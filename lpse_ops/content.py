"""Where the files live that are not Python: playbooks, roles, templates, inventories."""

from functools import cache
from pathlib import Path

from lpse_ops.errors import InternalError


@cache
def content_root() -> Path:
    """Return the folder that holds ``playbooks/``, ``roles/``, ``templates/``, ``inventory/``, ``ansible.cfg``.

    A checkout's top level if this package lies in one, else ``lpse_ops/_content`` of the wheel. Raise
    InternalError if neither is whole.
    """
    package = Path(__file__).parent
    for root in (package.parent, package / "_content"):
        if all((root / name).is_dir() for name in ("playbooks", "roles", "templates", "inventory")):
            return root
    raise InternalError("The installation of lpse-ops is incomplete: playbooks and roles are missing.")
