"""Who is active, from the epoch records that the voters of a site show (filter ``lpse_decide``)."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def decide(
    answers: Mapping[str, Mapping[str, Any] | None],
    nodes: Sequence[str],
    initial: str = "",
    chosen: bool = False,
) -> dict[str, Any]:
    """Given what every voter answered, return ``{"active": ..., "epoch": ..., "first": ..., "reasons": [...]}``.

    `answers` maps a voter's name to None (no answer), ``{"rc": .., "stdout": .., "stderr": ..}`` of reading its record.
    `nodes` are the names that can be active; `initial` is the active node of a site that has no record yet, `chosen`
    whether a person named it. The highest epoch wins; reasons say why nothing can be decided, each with a next step.
    Two of three voters must answer, because the one that is silent may be the one that knows better.
    """
    records, absent, silent, reasons = {}, [], [], []
    for voter, answer in sorted(answers.items()):
        if answer is None:
            silent.append(voter)
        elif answer["rc"] != 0 and "No such file" in answer["stderr"]:
            absent.append(voter)
        elif answer["rc"] != 0:
            reasons.append(f"{voter}: its epoch record cannot be read: {answer['stderr'].strip()}")
        else:
            record, fault = _parse(answer["stdout"], nodes)
            if fault:
                reasons.append(
                    f"{voter}: its epoch record is damaged ({fault}); see /var/lib/lpse-ops/epoch.json"
                )
            else:
                records[voter] = record
    answered = len(records) + len(absent)
    highest = max((record["epoch"] for record in records.values()), default=0)
    named = sorted({record["active"] for record in records.values() if record["epoch"] == highest})
    if len(named) > 1:
        who = ", ".join(f"{v}: {r['active']}" for v, r in records.items() if r["epoch"] == highest)
        reasons.append(
            f"the voters disagree about epoch {highest} ({who}); `lpse-node epoch show` on each, then decide"
        )
    systems = sorted({record["system_id"] for record in records.values() if record.get("system_id")})
    if len(systems) > 1:
        reasons.append(f"the voters' records belong to different databases (system ids {', '.join(systems)})")
    if answered < 2 and len(answers) > 1 and not (chosen and not records):
        reasons.append(
            f"only {answered} of {len(answers)} voters answered (silent: {', '.join(silent) or 'none'}), "
            "two are needed; start the others, and run without --limit"
        )
    if not records and initial not in nodes:
        reasons.append(f"'{initial}' cannot be the first active node; the nodes are {', '.join(nodes)}")
    return {
        "active": "" if reasons else (named[0] if named else initial),
        "epoch": highest,
        "first": not records,
        "silent": silent,
        "reasons": reasons,
    }


def _parse(text: str, nodes: Sequence[str]) -> tuple[dict[str, Any], str]:
    try:
        record = json.loads(text)
    except ValueError:
        return {}, "no JSON"
    if not isinstance(record, dict) or not isinstance(record.get("epoch"), int) or record["epoch"] < 1:
        return {}, "no epoch in it"
    if record.get("active") not in nodes:
        return {}, f"it names '{record.get('active')}', which is no node of this site"
    return record, ""


def answer(variables: Mapping[str, Any]) -> dict[str, Any] | None:
    """Given the variables of a voter, return what it said to the task that reads its record, None if nothing."""
    result = variables.get("lpse_record") or {}
    if result.get("unreachable") or "rc" not in result:
        return None
    return {key: result.get(key, "") for key in ("rc", "stdout", "stderr")}


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"lpse_answer": answer, "lpse_decide": decide}
