"""Names of nodes as an operator types them."""

from lpse_ops.errors import UsageError
from lpse_ops.i18n import _
from lpse_ops.site import Site


def known_node(site: Site, name: str | None) -> str | None:
    """Return `name` if the inventory knows a node of that name (or if it is None). Raise UsageError otherwise."""
    if name is not None and name not in site.nodes:
        raise UsageError(
            _("The inventory knows no node %(name)s.") % {"name": name},
            hint=_("Nodes of this site: %(nodes)s.") % {"nodes": ", ".join(site.nodes)},
        )
    return name
