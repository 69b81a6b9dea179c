"""What must still hold before a step acts that a resume finds undone: looked at once, on all hosts of the plan."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from lpse_ops.actions.context import RunContext
from lpse_ops.i18n import _
from lpse_ops.observe.facts import NodeState
from lpse_ops.plan import Plan

Seen = Mapping[str, NodeState]
Check = Callable[[RunContext, Plan, Seen, str], Iterator[str]]


def look(context: RunContext, plan: Plan) -> dict[str, NodeState]:
    """Given a plan, observe all of its hosts side by side. Raise what the first one raises that cannot be seen."""

    def one(host: str) -> NodeState:
        return NodeState.parse(dict(context.remote.node(host, ["observe"], timeout_s=10).data), host)

    with ThreadPoolExecutor(max_workers=max(1, len(plan.hosts))) as pool:
        return dict(zip(plan.hosts, pool.map(one, plan.hosts), strict=True))


def landed(context: RunContext, seen: Seen) -> bool:
    """Return whether any voter that was seen has a record of this run; True for a plan that was told of no host."""
    return not seen or any(state.record and state.record.run == context.run for state in seen.values())


def lost(context: RunContext, plan: Plan, seen: Seen, pending: set[str]) -> list[str]:
    """Given what was seen and the ids of the steps that are still to be done, return why they may not be done."""
    reasons = [
        reason
        for step in plan.steps
        if step.id in pending
        for name in step.observes
        if (check := _CHECKS.get(name)) is not None
        for reason in check(context, plan, seen, step.host)
    ]
    return list(dict.fromkeys(reasons))


def overtaken(context: RunContext, plan: Plan, seen: Seen) -> list[str]:
    """Return why another run has taken this one's place: a record beyond the plan's, or another one of its epoch.

    An epoch is on two voters before anything is done in its name, so a run that is overtaken has nothing left to do.
    """
    ours = plan.facts.get("record")
    if not ours:
        return []
    return [
        _(
            "%(host)s has the record of epoch %(epoch)s (%(active)s active, run %(run)s): another run came first."
        )
        % {"host": host, "epoch": record.epoch, "active": record.active, "run": record.run or "-"}
        for host, state in seen.items()
        if (record := state.record) is not None
        and (
            record.epoch > ours["epoch"]
            or (
                record.epoch == ours["epoch"] and (record.active, record.run) != (ours["active"], context.run)
            )
        )
    ]


def _records(context: RunContext, plan: Plan, seen: Seen, _host: str) -> Iterator[str]:
    """Every voter of the plan can read its record."""
    for host, state in seen.items():
        if state.record is None:
            yield _("%(host)s has no readable epoch record.") % {"host": host}


def _standby(context: RunContext, plan: Plan, seen: Seen, host: str) -> Iterator[str]:
    """The node that is to take over holds the site's database, as a standby or promoted by this very run."""
    state = seen[host]
    database, record = state.database, state.record
    if database is None or not database.running:
        return  # the promotion starts it; its data directory is looked at by the verb itself
    expected = (plan.facts.get("record") or {}).get("system_id")
    if None not in (expected, database.system_id) and database.system_id != expected:
        yield _("%(node)s holds another database (system id %(theirs)s, expected %(ours)s).") % {
            "node": host,
            "theirs": database.system_id,
            "ours": expected,
        }
    by_us = record is not None and (record.active, record.run) == (host, context.run)
    if database.in_recovery is False and not by_us:
        yield _(
            "PostgreSQL on %(node)s is no standby any more: it is open for writes, and not by this run."
        ) % {"node": host}


_CHECKS: Mapping[str, Check] = {"records": _records, "standby": _standby}
