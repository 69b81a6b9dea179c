"""Runs the suite in a process of its own and hands back what it found.

The process hears nothing of the caller's pytest: own ini and root folder, no conftest, no plugin but ours, no
``PYTEST_*`` variable, a neutral working folder that is not on the import path.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lpse_ops import i18n
from lpse_ops.errors import InternalError, UnreachableError, UsageError
from lpse_ops.i18n import _
from lpse_ops.verification.connection import close_connections, private_folder, write_ssh_config
from lpse_ops.verification.expected import Order, expected_of
from lpse_ops.verification.result import CONCERNS, Outcome, VerificationResult
from lpse_ops.waiting import scaled

if TYPE_CHECKING:
    from lpse_ops.site import Site

HERE = Path(__file__).parent
PACKAGES = HERE.parents[1]
DEADLINE_S = 300
# Exit codes of pytest: 0 all passed, 1 some failed, 3 is ours (a host does not answer).
PYTEST_RAN = (0, 1)

Progress = Callable[[Mapping[str, Any]], None]


def verify(
    site: "Site",
    hosts: Sequence[str] | None = None,
    *,
    junit: Path | None = None,
    json: Path | None = None,
    outside: bool = True,
    only: str | None = None,
    clock_shift_s: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> VerificationResult:
    """Test hosts of a site against its inventory and return what was found.

    `hosts`: names (None: all); hosts that are left out are not asked, and tests that need them do not exist.
    `junit`, `json`: files to write. `outside`: also test through the service address, when the active node is among
    the hosts. `only`: one of CONCERNS. `clock_shift_s`: host -> seconds added to what its clock says (tests of the
    check, where hosts share one clock). `progress`: called with each event (``seen`` with `roles`, ``test``).

    Raise UsageError for an unknown host or concern, UnreachableError (before any test) when a host does not
    answer, InternalError when the suite itself breaks. Faults are no error: they are in the result.
    """
    began = time.monotonic()
    selected = _selected(site, hosts)
    if only is not None and only not in CONCERNS:
        raise UsageError(
            _("There is no concern %(only)s.") % {"only": only},
            hint=_("Choose one of: %(concerns)s.") % {"concerns": ", ".join(CONCERNS)},
        )
    with private_folder() as folder:
        config = write_ssh_config(folder, site.hosts, site.known_hosts, site.identity_file)
        order = Order(
            expected_of(site),
            selected,
            str(config),
            outside,
            only,
            i18n.language(),
            dict(clock_shift_s or {}),
        )
        order.dump(folder / "order.json")
        try:
            result = _run(folder, order, junit, progress or (lambda _event: None), began)
        finally:
            close_connections(config, {name: site.hosts[name] for name in selected})
    if json is not None:
        _write(json, result)
    return result


def _selected(site: "Site", hosts: Sequence[str] | None) -> list[str]:
    unknown = sorted(set(hosts or ()) - set(site.hosts))
    if unknown:
        raise UsageError(
            _("Site %(site)s has no host %(hosts)s.") % {"site": site.name, "hosts": ", ".join(unknown)},
            hint=_("Its hosts are: %(hosts)s.") % {"hosts": ", ".join(site.hosts)},
        )
    return list(dict.fromkeys(hosts)) if hosts else list(site.hosts)


def _run(
    folder: Path, order: Order, junit: Path | None, progress: Progress, began: float
) -> VerificationResult:
    reader, writer = os.pipe()
    log = folder / "pytest.log"
    with log.open("wb") as output, os.fdopen(reader, encoding="utf-8") as events:
        try:
            process = subprocess.Popen(
                _command(order, junit),
                cwd=folder,
                env=_environment(folder, writer),
                pass_fds=(writer,),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        finally:
            os.close(writer)
        # Past the deadline the process is ended, which closes the pipe we listen to.
        alarm = threading.Timer(scaled(DEADLINE_S), process.kill)
        alarm.start()
        try:
            roles, outcomes, silent = _listen(events, progress)
            code = process.wait()
        finally:
            alarm.cancel()
            process.kill()
            process.wait()
    if silent:
        raise _unreachable(silent)
    if code not in PYTEST_RAN or not outcomes:
        raise InternalError(
            _("The verification suite itself broke (pytest ended with %(code)s): %(last)s")
            % {"code": code, "last": _tail(log)},
            hint=_("Send this message with the version of lpse-ops; nothing on the hosts was changed."),
        )
    return VerificationResult.of(outcomes, roles, time.monotonic() - began)


def _command(order: Order, junit: Path | None) -> list[str]:
    suites = [order.only] if order.only else [name for name in CONCERNS if order.outside or name != "outside"]
    return [
        sys.executable,
        *("-P", "-m", "pytest", "-c", str(HERE / "pytest.ini"), f"--rootdir={HERE}"),
        *("--noconftest", "--assert=plain", "-p", "no:cacheprovider", "-p", "lpse_ops.verification.plugin"),
        *("--quiet", "--no-header", "--tb=native", "--color=no"),
        *([f"--junit-xml={junit.absolute()}"] if junit else []),
        *(str(path) for name in suites for path in sorted((HERE / "suite").glob(f"test_{name}*.py"))),
    ]


def _environment(folder: Path, events: int) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "PY_COLORS"))}
    before = clean.get("PYTHONPATH")
    return clean | {
        "PYTHONPATH": f"{PACKAGES}{os.pathsep}{before}" if before else str(PACKAGES),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "LPSE_OPS_VERIFY_EVENTS": str(events),
        "LPSE_OPS_VERIFY_ORDER": str(folder / "order.json"),
    }


def _listen(events: IO[str], progress: Progress) -> tuple[dict[str, str], list[Outcome], dict[str, str]]:
    """Read events until the process closes its end; return roles, how tests ended, and who did not answer."""
    roles: dict[str, str] = {}
    silent: dict[str, str] = {}
    outcomes: list[Outcome] = []
    for line in events:
        event = json.loads(line)
        kind = event.pop("event")
        if kind == "seen":
            roles = event["roles"]
        elif kind == "unreachable":
            silent = event["hosts"]
        else:
            outcomes.append(Outcome(**event))
        progress({"event": kind, **event})
    return roles, outcomes, silent


def _unreachable(silent: Mapping[str, str]) -> UnreachableError:
    reasons = [
        _("%(host)s cannot be looked at over ssh: %(why)s") % {"host": host, "why": why}
        for host, why in silent.items()
    ]
    return UnreachableError(
        _("Not all hosts can be verified: %(hosts)s.") % {"hosts": ", ".join(silent)},
        reasons=reasons,
        hint=_("Bring the host back, or name the hosts that live: `lpse-ops verify NODE`."),
    )


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " | ".join(lines[-5:]) or _("it said nothing")


def _write(path: Path, result: VerificationResult) -> None:
    path.write_text(json.dumps(result.as_dict(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
