"""What an action is given to do its work, and the register of actions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lpse_ops.errors import InternalError
from lpse_ops.plan import Step
from lpse_ops.remote import Remote
from lpse_ops.site import Site

Facts = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a step found or did: `changed` is False if it was so already; `facts` go into the journal."""

    changed: bool
    facts: Facts = field(default_factory=dict)


@dataclass
class RunContext:
    """The surroundings of a run: site, open connections, the run's id and fencing token, what steps have found so far.

    `confirm(statement, facts)` asks the operator at the point of no return and raises Refused on a no. `facts`
    maps step ids to the facts of their outcomes.
    """

    site: Site
    remote: Remote
    run: str
    token: int
    confirm: Callable[[str, Facts], Facts]
    facts: dict[str, Facts] = field(default_factory=dict)
    plan_facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fencing(self) -> list[str]:
        """The arguments every changing verb of lpse-node takes."""
        return ["--run", self.run, "--token", str(self.token)]


Action = Callable[[RunContext, Step], Outcome]
_actions: dict[str, Action] = {}


def action(name: str) -> Callable[[Action], Action]:
    """Register a function as the action `name`.

    An action observes, acts if needed and observes again: called a second time it changes nothing. It raises
    an LpseError if the state it is to reach is not reached.
    """

    def register(function: Action) -> Action:
        _actions[name] = function
        return function

    return register


def find_action(name: str) -> Action:
    """Return the action `name`. Raise InternalError if there is none."""
    try:
        return _actions[name]
    except KeyError:
        raise InternalError(f"no action is named {name}") from None
