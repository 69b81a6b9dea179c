"""What steps do, one file a component; importing this package registers every action."""

from lpse_ops.actions import address, application, clock, database, epoch, fencing, loss, proxy, silence

__all__ = ["address", "application", "clock", "database", "epoch", "fencing", "loss", "proxy", "silence"]
