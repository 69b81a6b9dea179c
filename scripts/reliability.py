"""Write the last results into docs/reliability.md: ``python scripts/reliability.py [RESULTS]``.

RESULTS (default build/tests.jsonl) is what the tests noted (LPSE_OPS_TEST_RESULTS; `make test` sets it). A row of the
page names tests as ``path::name``; its last column gets what they ended with on each Debian release, and when. A row
without a new result keeps the one it has.
"""

import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
Results = Mapping[str, list[dict[str, Any]]]


def main(words: list[str]) -> int:
    """Given the arguments, rewrite the page; return 1 if a test that it names has failed."""
    path = Path(words[0]) if words else ROOT / "build" / "tests.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    results = by_test(json.loads(line) for line in lines)
    text = "\n".join(rewritten(line, results) for line in PAGE.read_text().splitlines()) + "\n"
    PAGE.write_text(text)
    failed = [line for line in text.splitlines() if line.startswith("| ") and "FAILED" in line]
    print("\n".join(failed) or f"{PAGE.relative_to(ROOT)}: written")
    return 1 if failed else 0


def by_test(lines: Iterable[dict[str, Any]]) -> Results:
    """Given noted results, return for each test (and each file) those of its newest session on each release.

    Cases of one test (``name[case]``) count as the test.
    """
    found: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        name = line["test"].partition("[")[0]
        for key in (name, name.partition("::")[0]):
            sessions = found[key][line["release"]]
            if sessions and sessions[-1]["session"] < line["session"]:
                sessions.clear()
            if not sessions or sessions[-1]["session"] == line["session"]:
                sessions.append(line)
    return {name: [line for lines in releases.values() for line in lines] for name, releases in found.items()}


def rewritten(row: str, results: Results) -> str:
    """Given a line of the page, return it with the last results if it is a row that names tests."""
    cells = row.split("|")
    names = [path + (f"::{test}" if test else "") for path, test in TEST.findall(row)]
    if not row.startswith("| ") or not names:
        return row
    lines = [line for name in names for line in results.get(name, ())]
    if not lines:
        return row
    cells[-2] = f" {told(lines, sum(name not in results for name in names))} "
    return "|".join(cells)


def told(lines: list[dict[str, Any]], missing: int) -> str:
    """Given results, return them in words; `missing`: how many named tests have none."""
    bad = sum(line["outcome"] != "passed" for line in lines)
    day = time.strftime("%Y-%m-%d", time.gmtime(max(line["at"] for line in lines)))
    releases = sorted({line["release"] for line in lines} - {""})
    where = f", Debian {' and '.join(releases)}" if releases else ""
    verdict = f"**FAILED** {bad} of {len(lines)}" if bad else f"{len(lines)} passed"
    return f"{verdict}{where}, {day}" + (f"; {missing} not run" if missing else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
