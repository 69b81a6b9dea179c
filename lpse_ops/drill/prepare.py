"""From nothing to a protected lab site with data in it: lab, provision, seed, protect."""

import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from lpse_ops.drill.options import DrillOptions
from lpse_ops.errors import LabError, StepFailed
from lpse_ops.i18n import _
from lpse_ops.lab import Lab
from lpse_ops.lab.standin import seed

Report = Callable[[str], None]
START_SECONDS = "/etc/systemd/system/{unit}.d/start-seconds.conf"


def prepare(options: DrillOptions, report: Report) -> Lab:
    """Given the options of a drill, bring its lab up, provision it, put data into it and protect it; return it.

    What an earlier drill of the same name left is removed first.
    """
    lab = Lab(options.name, report)
    lab.down()
    lab.up(options.release)
    choose_replication(lab, options.replication)
    report(_("Provisioning all hosts ..."))
    shown(lab, report, "provision")
    set_start_seconds(lab, options.start_seconds)
    report(_("Loading data ..."))
    load(lab, "node1", options)
    report(_("Protecting: the other node becomes a standby ..."))
    shown(lab, report, "protect")
    return lab


def choose_replication(lab: Lab, replication: str) -> None:
    """Write the site's choice of replication (``async``, ``sync``) into the lab's site.yml."""
    path = lab.site_folder / "group_vars" / "all" / "site.yml"
    text, replaced = re.subn(r"(?m)^(  replication:) \w+", rf"\1 {replication}", path.read_text())
    if replaced != 1:
        raise LabError(_("%(path)s has no key replication.") % {"path": path})
    path.write_text(text)


def set_start_seconds(lab: Lab, seconds: float) -> None:
    """Set how long the stand-in takes to start, on both nodes."""
    text = f"[Service]\nEnvironment=SPSE_START_SECONDS={seconds:g}\n"
    path = START_SECONDS.format(unit="spse@production.service")
    for node in ("node1", "node2"):
        script = 'mkdir -p "$(dirname "$1")" && cat > "$1" && systemctl daemon-reload'
        on_host(lab, node, ["sh", "-c", script, "set", path], text)


def load(lab: Lab, node: str, options: DrillOptions) -> list[int]:
    """Load generated tenders and documents into the active node; return the tenders open for offers."""
    return seed.load(
        _Loud(lab),
        node,
        tenders=options.tenders,
        documents=options.documents,
        document_size=options.document_size,
    )


class _Loud:
    """The lab's `run`, but a command that fails raises."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    def run(self, node: str, argv: Sequence[str], *, input: bytes | None = None) -> object:
        return on_host(self._lab, node, argv, input)


def on_host(lab: Lab, host: str, argv: Sequence[str], stdin: str | bytes | None = None) -> str:
    """Run a command as root on a host of the lab and return its stdout. Raise StepFailed if it fails."""
    done = lab.run(host, argv, stdin, timeout=300)
    if done.returncode != 0:
        raise StepFailed(
            _("A command of the drill failed on %(host)s.") % {"host": host},
            reasons=[done.stderr.strip()[-400:]],
        )
    return done.stdout


def shown(lab: Lab, report: Report, *words: str) -> None:
    """Run ``lpse-ops WORDS`` against the lab's site as a process of its own; report what it tells, as it tells it.

    Raise StepFailed, with its last words, if it does not end with 0.
    """
    last: deque[str] = deque(maxlen=20)
    line = site_command(lab, *words)
    with subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        for said in process.stderr or ():
            report(said.rstrip())
            last.append(said.strip())
    if process.returncode != 0:
        raise StepFailed(
            _("`lpse-ops %(words)s` ended with exit code %(code)s.")
            % {"words": " ".join(words), "code": process.returncode},
            reasons=[said for said in last if said],
        )


def command(lab: Lab, *words: str, expect: Sequence[int] = (0,)) -> dict[str, Any]:
    """Run ``lpse-ops WORDS`` against the lab's site as a process of its own, as a technician would; return its JSON.

    Raise StepFailed if it ends with an exit code that is not in `expect`.
    """
    done = subprocess.run(
        cli(lab, *words), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return parsed(words, done, expect)


def parsed(
    words: Sequence[str], done: subprocess.CompletedProcess[str], expect: Sequence[int]
) -> dict[str, Any]:
    """Given a finished command, return its JSON.

    Raise StepFailed, with its own words, if it did not end as expected.
    """
    try:
        data = json.loads(done.stdout)
    except ValueError:
        data = None
    if done.returncode in expect and isinstance(data, dict):
        return data
    told = data.get("error", {}) if isinstance(data, dict) else {}
    reasons = [told.get("message") or done.stdout.strip()[-600:], *told.get("reasons", ())]
    raise StepFailed(
        _("`lpse-ops %(words)s` ended with exit code %(code)s.")
        % {"words": " ".join(words), "code": done.returncode},
        reasons=[reason for reason in [*reasons, done.stderr.strip()[-1500:]] if reason],
        hint=told.get("hint", ""),
    )


def cli(lab: Lab, *words: str) -> list[str]:
    """Return the command line of ``lpse-ops WORDS --site lab:NAME --output json`` for this very installation."""
    return [*site_command(lab, *words), "--output", "json"]


def site_command(lab: Lab, *words: str) -> list[str]:
    """Return the command line of ``lpse-ops WORDS --site lab:NAME`` for this very installation."""
    return [sys.executable, "-m", "lpse_ops", *words, "--site", f"lab:{lab.name}"]


def environment() -> dict[str, str]:
    """Return the environment of the drill's commands: the caller's, in English, so that reports compare."""
    return {**os.environ, "LPSE_OPS_LANGUAGE": "en"}
