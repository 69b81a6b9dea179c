"""The lab: real systemd hosts, network, BMCs and faults on one machine. `Lab` is its Python API."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lpse_ops.lab.lab import Lab as Lab

__all__ = ["Lab"]


def __getattr__(name: str) -> Any:
    # Imported when it is asked for: who needs only the names of a lab does not pay for all of it.
    if name == "Lab":
        from lpse_ops.lab.lab import Lab

        return Lab
    raise AttributeError(name)
