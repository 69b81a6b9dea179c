"""How long a site takes to load (imports not counted) and `lpse-ops --help` to answer.

Run it from the top level: ``python -m benchmarks.site_load``. Prints JSON; exits 1 if a limit is passed.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lpse_ops.site import load_site
from tests.support.inventory import make_inventory

ROUNDS = 15
LIMITS_S = {"load_first": 0.1, "load_median": 0.1, "help_median": 0.4}


def timed(action: Callable[[], object]) -> float:
    """Given an action, return how many seconds it takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> int:
    """Measure, print, and return the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        inventory = make_inventory(Path(folder) / "office")
        loads = [timed(lambda: load_site(inventory)) for _ in range(ROUNDS)]
    command = [sys.executable, "-m", "lpse_ops", "--help"]
    helps = [timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(ROUNDS)]
    measured = {
        "load_first": loads[0],
        "load_median": statistics.median(loads),
        "help_median": statistics.median(helps),
    }
    over = [name for name, value in measured.items() if value > LIMITS_S[name]]
    print(
        json.dumps(
            {"seconds": {k: round(v, 4) for k, v in measured.items()}, "limits": LIMITS_S, "over": over}
        )
    )
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
