"""The decision of the return guard as a table: facts in, verdict out."""

import subprocess
from typing import NamedTuple

import pytest

from tests.unit.node.conftest import FILES


class Facts(NamedTuple):
    """What the guard of node1 sees; `votes` as lpse-node reads them: NAME STATUS EPOCH ACTIVE SYSTEM WRITES."""

    own: str = "ok"
    epoch: str = "2"
    active: str = "node1"
    system: str = "7301"
    standby: str = "no"
    released: str = ""
    data: str = "7301"
    votes: tuple[str, ...] = ()


SILENT = ("node2 silent - - - -", "repository silent - - - -")
AGREES = "repository answer 2 node1 7301 false"

TABLE = {
    # nobody's word needed
    "no record": (Facts(own="none"), "none", "yes", "never given a part"),
    "damaged record": (Facts(own="bad"), "holding", "no", "cannot be read"),
    "damaged record, though others agree": (
        Facts(own="bad", votes=(AGREES,)),
        "holding",
        "no",
        "cannot be read",
    ),
    "standby alone": (Facts(active="node2", standby="yes", votes=SILENT), "standby", "yes", "follows"),
    "standby-to-be": (Facts(active="node2"), "holding", "yes", "protect"),
    "promotion cut short": (Facts(standby="yes", votes=(AGREES,)), "standby", "yes", "not finished"),
    # the active node
    "confirmed": (Facts(votes=(SILENT[0], AGREES)), "active", "yes", "confirmed by repository"),
    "confirmed by both": (
        Facts(votes=("node2 answer 2 node1 7301 false", AGREES)),
        "active",
        "yes",
        "node2, repository",
    ),
    "confirmed, system id still unknown here": (
        Facts(system="-", votes=(AGREES,)),
        "active",
        "yes",
        "confirmed",
    ),
    "confirmed, system id still unknown there": (
        Facts(votes=("repository answer 2 node1 - false",)),
        "active",
        "yes",
        "confirmed",
    ),
    "confirmed by one, the other behind": (
        Facts(votes=("node2 answer 1 node2 7301 false", AGREES)),
        "active",
        "yes",
        "confirmed by repository",
    ),
    "nobody answers": (Facts(votes=SILENT), "holding", "no", "node2 does not answer"),
    "no voters at all": (Facts(), "holding", "no", "no other voter confirms"),
    "answer without authority": (
        Facts(votes=("node2 garbage - - - -", "repository silent - - - -")),
        "holding",
        "no",
        "does not count",
    ),
    "voter without a record": (
        Facts(votes=("repository none - - - false",)),
        "holding",
        "no",
        "has no record",
    ),
    "voter with a damaged record": (
        Facts(votes=("repository bad - - - false",)),
        "holding",
        "no",
        "cannot read",
    ),
    "voter behind": (
        Facts(votes=("repository answer 1 node1 7301 false",)),
        "holding",
        "no",
        "knows epoch 1",
    ),
    # the old active node comes back
    "superseded": (
        Facts(votes=("repository answer 3 node2 7301 false",)),
        "superseded",
        "yes",
        "epoch 3, in which node2",
    ),
    "superseded, though another agrees": (
        Facts(votes=("node2 answer 2 node1 7301 false", "repository answer 3 node2 7301 false")),
        "superseded",
        "yes",
        "repository knows epoch 3",
    ),
    "superseded, though released": (
        Facts(released="2", votes=("repository answer 3 node2 7301 false",)),
        "superseded",
        "yes",
        "",
    ),
    # contradictions hold
    "own record older than what names it": (
        Facts(votes=("repository answer 3 node1 7301 false",)),
        "holding",
        "no",
        "resume the run",
    ),
    "same epoch, another active": (
        Facts(votes=("node2 answer 2 node2 7301 false", AGREES)),
        "holding",
        "no",
        "another record of epoch 2",
    ),
    "same epoch, another system": (
        Facts(votes=("repository answer 2 node1 999 false",)),
        "holding",
        "no",
        "another record",
    ),
    "another node is open for writes": (
        Facts(votes=("node2 answer 1 node2 7301 true", AGREES)),
        "holding",
        "no",
        "node2 is open for writes",
    ),
    "a node without a record is open for writes": (
        Facts(votes=("node2 none - - - true", AGREES)),
        "holding",
        "no",
        "open for writes",
    ),
    "other data in the place": (Facts(data="999", votes=(AGREES,)), "holding", "no", "database system 999"),
    # an operator's word
    "released": (Facts(released="2", votes=SILENT), "released", "yes", "operator"),
    "released for an older epoch": (Facts(released="1", votes=SILENT), "holding", "no", "no other voter"),
    "released against a contradiction": (
        Facts(released="2", votes=("node2 answer 2 node2 7301 false",)),
        "holding",
        "no",
        "another record",
    ),
    "released with other data": (
        Facts(released="2", data="999", votes=SILENT),
        "holding",
        "no",
        "system 999",
    ),
    "released and confirmed": (Facts(released="2", votes=(AGREES,)), "active", "yes", "confirmed"),
}

SCRIPT = '. "$1/node.d/decide.sh"; shift; decide "$@"; printf "%s\\n%s\\n%s\\n" "$STATE" "$FINAL" "$REASON"'


@pytest.mark.parametrize(("facts", "state", "final", "words"), TABLE.values(), ids=TABLE)
def test_decision(facts: Facts, state: str, final: str, words: str) -> None:
    told = subprocess.run(
        ["/bin/sh", "-euc", SCRIPT, "sh", str(FILES), "node1", *facts[:-1], "\n".join(facts.votes)],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout.splitlines()
    assert told[:2] == [state, final], told
    assert words in told[2]


def test_only_agreement_or_an_operator_opens_for_writes() -> None:
    """Of all single answers a voter can give, exactly one opens: the same epoch, this node, no writer elsewhere."""
    opening = []
    for status in ("answer", "none", "bad", "garbage", "silent"):
        for epoch in ("1", "2", "3"):
            for active in ("node1", "node2"):
                for writes in ("true", "false"):
                    vote = f"repository {status} {epoch} {active} 7301 {writes}"
                    told = subprocess.run(
                        ["/bin/sh", "-euc", SCRIPT, "sh", str(FILES), "node1", *Facts()[:-1], vote],
                        capture_output=True,
                        text=True,
                        check=True,
                        timeout=20,
                    ).stdout.split("\n")
                    if told[0] in ("active", "released"):
                        opening.append(vote)
    assert opening == [AGREES]
