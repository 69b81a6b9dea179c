"""Step and Plan: pure data that is printed, rehearsed, stored in the journal and run, always the same."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

_TUPLES = ("needs", "observes", "changes")
Json = Any  # what the json module reads and writes


@dataclass(frozen=True)
class Step:
    """One thing to do on one host.

    `title` is a message of the catalogue (translated when shown). `needs` names the steps that must have
    ended well before this one starts. `deadline_s` (seconds) bounds it. `undo` says how its effect is taken
    back; where that is impossible or pointless, `no_undo` says why. An `irreversible` step starts only after
    its intent is on disk and mirrored. A step that is not `critical` may fail without stopping the others; the run
    then ends as failed until the step is repeated, or skipped with a reason.
    `observes` and `changes` name what it looks at before it acts and what it changes, as ``WHAT`` (on its own
    host) or ``WHAT:HOST``; names with a check in `lpse_ops.actions.preconditions` are observed again by every
    resume before the step may run. `console` is how a person does it by hand at the host, where `lpse-ops` cannot
    (``RUN`` and ``TOKEN`` stand for those of the run).
    `floor` marks what design.md counts into the floor of a run: ``act`` (the duration the host itself
    reports), ``wait`` (a declared safety wait of `floor_s` seconds) or nothing. A `proof` is observed again
    by every resume, even if it stood before: if it no longer holds, the run is superseded. What `again` marks is
    done again by every resume: it looks, or its effect does not outlive a restart of the host.
    """

    id: str
    title: str
    host: str
    action: str
    deadline_s: float
    args: Mapping[str, Json] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    irreversible: bool = False
    critical: bool = True
    observes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    undo: str = ""
    no_undo: str = ""
    console: str = ""
    floor: str = ""
    floor_s: float = 0.0
    proof: bool = False
    again: bool = False


@dataclass(frozen=True)
class Plan:
    """An ordered set of steps with the facts that justify it.

    `facts` is the observation it was made from, `choices` what the operator decided; both are recorded with
    it, so that whoever reads the journal can make the plan again.
    """

    procedure: str
    site: str
    steps: tuple[Step, ...]
    facts: Mapping[str, Json] = field(default_factory=dict)
    choices: Mapping[str, Json] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    declared_dead: tuple[str, ...] = ()

    def step(self, step_id: str) -> Step:
        """Return the step named `step_id`. Raise KeyError if there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    def to_json(self) -> dict[str, Json]:
        """Return the plan as JSON-ready data."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Self:
        """Given what `to_json` gave, return the plan. Raise KeyError or TypeError if it is not one."""
        steps = tuple(
            Step(**{**step, **{name: tuple(step[name]) for name in _TUPLES if name in step}})
            for step in data["steps"]
        )
        rest = {key: data[key] for key in ("procedure", "site", "facts", "choices")}
        return cls(
            steps=steps, hosts=tuple(data["hosts"]), declared_dead=tuple(data["declared_dead"]), **rest
        )

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the plan: two plans are the same if this is."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
