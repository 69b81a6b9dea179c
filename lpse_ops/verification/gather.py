"""Fetches one report a host: the probe's modules travel over ssh, run there as root, and answer in JSON."""

import base64
import json
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import testinfra

from lpse_ops.verification.expected import Order

PROBE = Path(__file__).parent / "probe"
PACKAGE = "lpse_ops.verification.probe"
# The modules in the order of their imports; each is installed on the host under its own full name.
MODULES = ("common", "system", "ports", "database", "documents", "application", "proxy", "guard", "main")
CONNECT_TIMEOUT_S = 10

BOOTSTRAP = """
import sys, types, json
order = json.loads({order!r})
for name in ("lpse_ops", "lpse_ops.verification", {package!r}):
    sys.modules[name] = types.ModuleType(name)
for name, source in order["modules"]:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
json.dump(sys.modules[{package!r} + ".main"].report(order["parameters"]), sys.stdout)
"""


class Unreachable(Exception):
    """A host did not hand over its report; `why` says what ssh or the probe said."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(f"{host}: {why}")
        self.host = host
        self.why = why


def gather(order: Order) -> tuple[dict[str, Any], dict[str, str]]:
    """Fetch the reports of all selected hosts side by side.

    Return reports by host, and for the hosts that did not answer why not.
    """
    reports: dict[str, Any] = {}
    silent: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=len(order.selected)) as pool:
        for name, answer in zip(
            order.selected, pool.map(lambda n: _fetch(order, n), order.selected), strict=True
        ):
            if isinstance(answer, Unreachable):
                silent[name] = answer.why
            else:
                reports[name] = answer
    return reports, silent


def connect(order: Order, name: str) -> Any:
    """Return a testinfra host over ssh for the host `name` of the order's site."""
    return testinfra.get_host(f"ssh://{name}", ssh_config=order.ssh_config, timeout=CONNECT_TIMEOUT_S)


def _fetch(order: Order, name: str) -> dict[str, Any] | Unreachable:
    host = connect(order, name)
    try:
        # Once over the warm connection, so that the round trip bounds the error of the clock's offset.
        answer = host.run(_command(order, name))
        if answer.rc != 0:
            return Unreachable(name, _last_line(answer.stderr) or f"exit {answer.rc}")
        report: dict[str, Any] = json.loads(answer.stdout)
        report["clock_offset"] = _clock_offset(host, order.clock_shift_s.get(name, 0.0))
    except RuntimeError as error:  # how testinfra says that ssh itself failed (exit 255)
        result = error.args[0] if error.args else None
        return Unreachable(name, _last_line(getattr(result, "stderr", "")) or str(error))
    except (ValueError, OSError) as error:
        return Unreachable(name, str(error))
    return report


def _clock_offset(host: Any, shift_s: float) -> dict[str, float]:
    """Return how far the host's clock is from this one (seconds), and half the round trip as uncertainty."""
    before = time.time()
    answer = host.run("date +%s.%N")
    after = time.time()
    offset = float(answer.stdout.strip()) + shift_s - (before + after) / 2
    return {"offset_s": offset, "uncertainty_s": (after - before) / 2}


def _command(order: Order, name: str) -> str:
    modules = [(f"{PACKAGE}.{m}", (PROBE / f"{m}.py").read_text(encoding="utf-8")) for m in MODULES]
    parameters = asdict(order.expected) | {"host": name, "only": order.only}
    script = BOOTSTRAP.format(
        order=json.dumps({"modules": modules, "parameters": parameters}), package=PACKAGE
    )
    packed = base64.b64encode(zlib.compress(script.encode())).decode()
    # Through stdin, so that neither sudo's log nor the process list carries it.
    unpack = "import sys,zlib,base64;exec(zlib.decompress(base64.b64decode(sys.stdin.read())))"
    return f'printf %s {packed} | sudo -n python3 -c "{unpack}"'


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
