"""The pytest plugin of the suite: fetches the reports, makes tests for hosts and roles, and tells how they end.

It is loaded with ``-p`` into a process of its own (see `runner`). What happens goes as JSON lines into the pipe whose
number is in ``LPSE_OPS_VERIFY_EVENTS``; nothing is read from what pytest prints.
"""

import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from lpse_ops import i18n
from lpse_ops.verification.expected import Order
from lpse_ops.verification.facts import KINDS, Host, hosts_of
from lpse_ops.verification.gather import gather
from lpse_ops.verification.outside import Outside, look
from lpse_ops.verification.proxied import Lab

EVENTS_VARIABLE = "LPSE_OPS_VERIFY_EVENTS"
ORDER_VARIABLE = "LPSE_OPS_VERIFY_ORDER"
NOBODY = "no host of this kind"


class Suite:
    """One verification in progress: the order, the hosts as seen, and the pipe for events."""

    def __init__(self, order: Order, events: int) -> None:
        self.order = order
        self.events = events
        self.hosts: dict[str, Host] = {}
        self.outside: list[Outside] = []

    def tell(self, event: str, **data: Any) -> None:
        """Write one event into the pipe."""
        os.write(self.events, (json.dumps({"event": event, **data}) + "\n").encode())

    def values(self, kind: str) -> list[Any]:
        """Return what the fixture `kind` stands for here: hosts by role, or the view from outside."""
        if kind == "outside":
            return list(self.outside)
        if kind == "lab":
            labs = [Lab(outside) for outside in self.outside if self.order.expected.lab]
            return [lab for lab in labs if lab.may_take_offers()]
        return [host for host in self.hosts.values() if KINDS[kind](host)]


SUITE = pytest.StashKey[Suite]()


def cases(function: Callable[[Host], list[tuple[str, Any]]]) -> pytest.MarkDecorator:
    """Mark a test with a fixture ``case``: one test for each (id, value) that `function` gives for a host."""
    # `pytest.mark.cases(function)` would mark the function itself.
    mark: pytest.MarkDecorator = pytest.mark.cases.with_args(function)
    return mark


def pytest_configure(config: pytest.Config) -> None:
    """Fetch every report before a test is collected: hosts and their roles decide which tests there are."""
    order = Order.load(Path(os.environ[ORDER_VARIABLE]))
    i18n.set_language(order.language)
    suite = Suite(order, int(os.environ[EVENTS_VARIABLE]))
    config.stash[SUITE] = suite
    reports, silent = gather(order)
    if silent:
        suite.tell("unreachable", hosts=silent)
        pytest.exit("unreachable", returncode=3)
    suite.hosts = hosts_of(order.expected, reports)
    suite.outside = look(order, suite.hosts)
    suite.tell("seen", roles={host.name: host.role for host in suite.hosts.values()})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for every host of the kind that a fixture's name says, and for every case of it."""
    suite = metafunc.config.stash[SUITE]
    kind = next((name for name in (*KINDS, "outside", "lab") if name in metafunc.fixturenames), None)
    if kind is None:
        return
    mark = metafunc.definition.get_closest_marker("cases")
    subjects = suite.values(kind)
    if mark is None:
        names: tuple[str, ...] = (kind,)
        rows = [pytest.param(subject, id=subject.name) for subject in subjects]
    else:
        names = (kind, "case")
        rows = [
            pytest.param(subject, value, id=f"{subject.name}-{name}")
            for subject in subjects
            for name, value in mark.args[0](subject)
        ]
    metafunc.parametrize(names, rows or [pytest.param(*([NOBODY] * len(names)), id="none")])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the tests that apply to no host here: they are not skipped, they do not exist."""
    items[:] = [item for item in items if NOBODY not in _parameters(item).values()]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell how a test ended: once a test, when it is over or could not begin."""
    report = yield
    decisive = call.when == "call" or (call.when == "setup" and not report.passed)
    if decisive or (call.when == "teardown" and report.failed):
        item.config.stash[SUITE].tell("test", **_ended(item, call, report))
    return report


def _ended(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> dict[str, Any]:
    subject = next((value for value in _parameters(item).values() if hasattr(value, "role")), None)
    return {
        "id": f"{item.path.name}::{item.name}",
        "concern": item.path.stem.split("_")[1],
        "host": subject.name if isinstance(subject, Host) else "",
        "status": report.outcome,
        "seconds": round(call.duration, 4),
        "message": _sentence(call),
    }


def _sentence(call: pytest.CallInfo[None]) -> str:
    if call.excinfo is None:
        return ""
    error = call.excinfo.value
    text = " ".join(str(error).split())
    return text if isinstance(error, AssertionError) and text else f"{type(error).__name__}: {text}"


def _parameters(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params) if callspec is not None else {}
