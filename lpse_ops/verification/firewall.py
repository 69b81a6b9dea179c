"""Reads what an nftables ruleset lets in, as `nft -j list ruleset` tells it."""

from dataclasses import dataclass, field
from typing import Any

SSH = 22


@dataclass
class Accepted:
    """Policy of the input hook, ports open to everybody, addresses and networks that reach SSH."""

    policy: str = "accept"
    for_all: set[int] = field(default_factory=set)
    ssh_from: set[str] = field(default_factory=set)


def accepts(ruleset: list[dict[str, Any]]) -> Accepted:
    """Given the objects of a ruleset, return what its input chains accept."""
    found = Accepted()
    chains = [item["chain"] for item in ruleset if "chain" in item]
    inputs = {(c["table"], c["name"]) for c in chains if c.get("hook") == "input"}
    policies = [c.get("policy", "accept") for c in chains if c.get("hook") == "input"]
    # One chain that drops is enough: a packet has to pass all of them.
    found.policy = "drop" if "drop" in policies else "accept"
    sets = {s["set"]["name"]: _elements(s["set"].get("elem", [])) for s in ruleset if "set" in s}
    for rule in (item["rule"] for item in ruleset if "rule" in item):
        if (rule["table"], rule["chain"]) in inputs:
            _read_rule(rule["expr"], sets, found)
    return found


def _read_rule(expressions: list[dict[str, Any]], sets: dict[str, set[str]], found: Accepted) -> None:
    if not any("accept" in expression for expression in expressions):
        return
    ports: set[str] = set()
    sources: set[str] | None = None
    other = False
    for match in (expression["match"] for expression in expressions if "match" in expression):
        payload = match["left"].get("payload", {})
        if payload.get("field") == "dport":
            ports = _values(match["right"], sets)
        elif payload.get("field") == "saddr":
            sources = _values(match["right"], sets)
        else:
            other = True  # an interface or a connection's state: lets in no stranger by port
    numbers = {int(port) for port in ports if port.isdigit()}
    if sources is None and not other:
        found.for_all |= numbers
    elif sources is not None and SSH in numbers:
        found.ssh_from |= sources


def _values(right: Any, sets: dict[str, set[str]]) -> set[str]:
    if isinstance(right, str) and right.startswith("@"):
        return sets.get(right[1:], set())
    if isinstance(right, dict) and "set" in right:
        return _elements(right["set"])
    return _elements([right])


def _elements(values: Any) -> set[str]:
    found = set()
    for value in values if isinstance(values, list) else [values]:
        if isinstance(value, dict) and "prefix" in value:
            found.add(f"{value['prefix']['addr']}/{value['prefix']['len']}")
        elif isinstance(value, dict) and "range" in value:
            found.add("-".join(map(str, value["range"])))
        elif isinstance(value, dict) and "elem" in value:
            found |= _elements(value["elem"].get("val"))
        else:
            found.add(str(value))
    return found
