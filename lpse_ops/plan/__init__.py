"""What to do: steps and plans as plain data, checked and shown without touching a host."""

from lpse_ops.plan.checks import faults_of
from lpse_ops.plan.model import Plan, Step

__all__ = ["Plan", "Step", "faults_of"]
