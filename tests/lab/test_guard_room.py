"""The whole room loses its power, and the hosts come back in every order."""

from itertools import permutations

import pytest

from lpse_ops.lab.lab import Lab
from tests.lab.guard_bench import HOSTS, follows, guard, guard_is, make_active, serves, until, writable

pytestmark = pytest.mark.one_release


def dark(lab: Lab) -> None:
    for host in HOSTS:
        lab.power_cut(host)


def test_after_a_normal_state(protected_lab: Lab) -> None:
    """node1 opens with the first other voter; node2 only ever follows."""
    lab = protected_lab
    for order in permutations(HOSTS):
        dark(lab)
        on: set[str] = set()
        for host in order:
            lab.power_on(host, wait=False)
            on.add(host)
            if "node1" in on and len(on) > 1:
                until(f"{order}: node1 serves after {host}", lambda: serves(lab, "node1"), 120)
            elif "node1" in on:
                until(f"{order}: node1 holds", lambda: guard_is(lab, "node1", "holding", "does not answer"))
                assert not writable(lab, "node1")
            if "node2" in on:
                until(f"{order}: node2 is a standby", lambda: guard_is(lab, "node2", "standby"))
                assert not writable(lab, "node2")
        until(f"{order}: node2 follows again", lambda: follows(lab, "node2"))


def test_after_a_failover(protected_lab: Lab) -> None:
    """node2 opens once the repository is there; node1 never does, and knows why as soon as anybody can tell it."""
    lab = protected_lab
    lab.power_cut("node1")
    make_active(lab, "node2")
    for order in permutations(HOSTS):
        dark(lab)
        on: set[str] = set()
        for host in order:
            lab.power_on(host, wait=False)
            on.add(host)
            if "node1" in on and len(on) > 1:
                until(f"{order}: node1 superseded after {host}", lambda: guard_is(lab, "node1", "superseded"))
            elif "node1" in on:
                until(f"{order}: node1 holds", lambda: guard_is(lab, "node1", "holding"))
            if {"node2", "repository"} <= on:
                until(f"{order}: node2 serves after {host}", lambda: serves(lab, "node2"), 120)
            elif "node2" in on:
                until(f"{order}: node2 holds", lambda: guard(lab, "node2")[0] == "holding")
                assert not writable(lab, "node2")
            assert not writable(lab, "node1")
