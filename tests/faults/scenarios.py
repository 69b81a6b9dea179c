"""How each plan comes about: the faults that call for it, the command, and who serves afterwards.

A plan that a procedure learns to build gets a scenario here; tests/contract/test_plans.py asks for one of each. The
steps come from the plan itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lpse_ops.lab.lab import Lab

Cause = Callable[[Lab], object]


@dataclass(frozen=True)
class Scenario:
    """One kind of plan: any of the `causes` leads to it on a protected lab site (node1 active), `words` is the command.

    `variant` is the number of the plan among the procedure's samples (tests/support/plans.py). `old` is the node that
    must not write after its death is proven, `new` the one that serves in the end, `copy_on` a host that another
    controller takes the journal from.
    """

    name: str
    procedure: str
    words: tuple[str, ...]
    causes: Mapping[str, Cause]
    variant: int = 0
    old: str = "node1"
    new: str = "node2"
    copy_on: str = "repository"


def _no_repository(lab: Lab) -> None:
    """The controllers do not reach the repository; the nodes do, so it witnesses the new epoch by itself later."""
    lab.power_cut("node1")
    lab.partition("repository", "controller")
    lab.partition("repository", "controller2")


def _power_feed_gone(lab: Lab) -> None:
    """The node and its BMC hang on one feed: nothing can read the power any more."""
    lab.power_cut("node1")
    lab.partition("bmc1")


SCENARIOS = (
    Scenario(
        "failover",
        "failover",
        ("failover",),
        {"power cut": lambda lab: lab.power_cut("node1"), "hang": lambda lab: lab.freeze("node1", "hang")},
    ),
    Scenario(
        "attested failover",
        "failover",
        ("failover", "--attest", "sweep: the plug was pulled"),
        {"power feed gone": _power_feed_gone},
        variant=1,
    ),
    Scenario(
        "unwitnessed failover",
        "failover",
        ("failover", "--unwitnessed", "sweep: the repository is gone"),
        {"power cut, no repository": _no_repository},
        variant=2,
        copy_on="node2",
    ),
)
