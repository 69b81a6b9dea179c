"""The site: what should be, read from its inventory.

``load_site`` reads an inventory folder into a frozen `Site`; ``enter_network`` moves this process into a lab's network.
"""

from lpse_ops.site.loader import load_site
from lpse_ops.site.model import Node, Secrets, Site
from lpse_ops.site.network import enter_network

__all__ = ["Node", "Secrets", "Site", "enter_network", "load_site"]
