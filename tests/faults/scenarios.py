"""How each plan comes about: the fault that calls for it, the command, and who serves afterwards.

A plan that a procedure learns to build gets a scenario here; tests/contract/test_plans.py asks for one of every
procedure. The steps come from the plan itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lpse_ops.lab.lab import Lab


@dataclass(frozen=True)
class Scenario:
    """One kind of plan: `cause` makes the fault on a protected lab site (node1 active), `words` is the command.

    `variant` is the number of its plan among the procedure's samples (tests/support/plans.py). `old` is the node that
    must not write after its death is proven, `new` the one that serves in the end.
    """

    name: str
    procedure: str
    words: tuple[str, ...]
    cause: Callable[[Lab], None]
    variant: int = 0
    old: str = "node1"
    new: str = "node2"


def _power_cut(lab: Lab) -> None:
    lab.power_cut("node1")


def _hang(lab: Lab) -> None:
    lab.freeze("node1", "hang")


def _power_feed_gone(lab: Lab) -> None:
    """The node and its BMC hang on one feed: nothing can read the power any more."""
    lab.power_cut("node1")
    lab.partition("bmc1")


SCENARIOS = (
    Scenario("failover after a power cut", "failover", ("failover",), _power_cut),
    Scenario("failover from a node that hangs", "failover", ("failover",), _hang),
    Scenario(
        "failover on a person's word",
        "failover",
        ("failover", "--attest", "sweep: the plug was pulled"),
        _power_feed_gone,
        variant=1,
    ),
)
