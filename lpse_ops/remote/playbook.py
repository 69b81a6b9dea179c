"""Runs a playbook against a site with ansible-runner and tells what it did.

Secrets reach Ansible through the vault alone: never as extra variables or environment, which ansible-runner writes to
its artifacts and to the process list. The private folder of a run (0700) is removed when the run ends.
"""

import getpass
import os
import shlex
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lpse_ops.content import content_root
from lpse_ops.errors import VaultError
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from lpse_ops.site import Site

PASSWORD_VARIABLE = "LPSE_OPS_VAULT_PASSWORD_FILE"  # noqa: S105 - the name of a variable
MESSAGE_LIMIT = 600


@dataclass(frozen=True)
class Event:
    """Something that happened: `kind` is ``task``, ``ok``, ``changed``, ``waiting``, ``failed`` or ``unreachable``.

    `host` is empty for ``task`` (a task begins); `text` is the message of a failure, and while a task waits what it
    sees (its output).
    """

    kind: str
    task: str
    host: str = ""
    text: str = ""


@dataclass(frozen=True)
class Failure:
    """A task that failed on a host, with a message a person can read."""

    host: str
    task: str
    message: str


@dataclass
class PlaybookResult:
    """What a playbook did: changed tasks by host, failures, unreachable hosts with their reason, seconds."""

    changed: dict[str, int] = field(default_factory=dict)
    ok: dict[str, int] = field(default_factory=dict)
    failed: list[Failure] = field(default_factory=list)
    unreachable: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    status: str = ""

    @property
    def successful(self) -> bool:
        """Return whether every task succeeded on every host."""
        return self.status == "successful" and not self.failed and not self.unreachable


def run_playbook(
    site: "Site",
    playbook: str,
    *,
    variables: Mapping[str, Any] | None = None,
    limit: Sequence[str] = (),
    check: bool = False,
    tags: Sequence[str] = (),
    vault_password_file: Path | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> PlaybookResult:
    """Given a site and the name of a playbook (``provision.yml``), run it and return what it did.

    `variables` become extra variables: nothing secret in them. `limit` is Ansible's own limit; hosts outside it are not
    read either. `check` changes nothing. `on_event` is told of every task and every result, in this thread.
    The caller has entered the network of a lab site. Ctrl-C ends the run and raises KeyboardInterrupt; what began on
    a host may go on there. Raise VaultError if no vault password can be had.
    """
    import ansible_runner

    with (
        tempfile.TemporaryDirectory(prefix="lpse-ops-run-") as private,
        password_file(site.folder, vault_password_file) as vault_password,
        _without_callers_settings(),
    ):
        os.chmod(private, 0o700)  # noqa: PTH101 - states the rule, whatever made the folder
        listener = _Listener(on_event)
        started = time.monotonic()
        runner = ansible_runner.run(
            private_data_dir=private,
            ident=uuid.uuid4().hex,
            playbook=str(content_root() / "playbooks" / playbook),
            inventory=str(site.folder),
            limit=",".join(limit) or None,
            tags=",".join(tags) or None,
            extravars=dict(variables or {}),
            envvars=_environment(),
            settings={"pexpect_timeout": 1, "suppress_ansible_output": True},
            cmdline=shlex.join(
                [
                    "--vault-password-file",
                    str(vault_password),
                    *(["--check"] if check else []),
                ]
            ),
            quiet=True,
            event_handler=listener,
        )
        if runner.status == "canceled":
            raise KeyboardInterrupt
        return _result(runner, listener, time.monotonic() - started)


@contextmanager
def password_file(folder: Path, given: Path | None) -> Iterator[Path]:
    """Yield the file that holds the vault's password: `given`, the environment's, the lab's own, or an answer.

    What was typed is kept in memory without a name, so that nothing of it is left when this process is killed. Raise
    VaultError if there is no terminal to ask at.
    """
    named = given or (Path(value) if (value := os.environ.get(PASSWORD_VARIABLE)) else None)
    if named is not None:
        yield named.expanduser().resolve()
        return
    if (folder / ".vault-password").exists():
        yield folder / ".vault-password"
        return
    if not sys.stdin.isatty():
        raise VaultError(
            _("The vault's password is needed, and there is no terminal to ask at."),
            hint=_("Pass --vault-password-file FILE or set %(name)s.") % {"name": PASSWORD_VARIABLE},
        )
    typed = getpass.getpass(_("Password of the vault in %(folder)s: ") % {"folder": folder})
    handle = os.memfd_create("lpse-ops")
    try:
        os.fchmod(handle, 0o400)  # what is executable, ansible would run
        os.write(handle, typed.encode())
        yield Path(f"/proc/{os.getpid()}/fd/{handle}")
    finally:
        os.close(handle)


def _environment() -> dict[str, str]:
    root = content_root()
    return {
        "ANSIBLE_CONFIG": str(root / "ansible.cfg"),
        # The programs beside this Python come first: ansible-playbook itself, whoever activated which environment.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_NOCOLOR": "1",
    }


@contextmanager
def _without_callers_settings() -> Iterator[None]:
    """Keep the caller's own ``ANSIBLE_*`` from changing what a site becomes; ansible-runner passes them all on."""
    kept = {name: value for name, value in os.environ.items() if name.startswith("ANSIBLE_")}
    for name in kept:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(kept)


class _Listener:
    """Turns the events of ansible-runner into ours and keeps the failures."""

    def __init__(self, tell: Callable[[Event], None] | None) -> None:
        self._tell = tell or (lambda event: None)
        self._pending: dict[tuple[str, str], str] = {}
        self.failed: list[Failure] = []
        self.unreachable: dict[str, str] = {}
        self.stats: dict[str, dict[str, int]] = {}

    def __call__(self, event: dict[str, Any]) -> bool:
        """Take one event; return whether ansible-runner keeps it on disk: never."""
        data = event.get("event_data", {})
        kind, task, host = event.get("event", ""), _task(data), str(data.get("host", ""))
        result = data.get("res") or {}
        if kind == "playbook_on_stats":
            self.stats = data
        elif kind == "playbook_on_task_start":
            self._tell(Event("task", task))
        elif kind == "runner_on_ok":
            self._tell(Event("changed" if result.get("changed") else "ok", task, host))
        elif kind == "runner_retry":
            self._tell(Event("waiting", task, host, str(result.get("stdout") or "")))
        elif kind == "runner_item_on_failed":
            self._pending.setdefault((host, task), _message(result))
        elif kind == "runner_on_failed" and not data.get("ignore_errors"):
            text = self._pending.pop((host, task), "") or _message(result)
            self.failed.append(Failure(host, task, text))
            self._tell(Event("failed", task, host, text))
        elif kind == "runner_on_unreachable" and not result.get("skip_reason"):
            self.unreachable[host] = _message(result)
            self._tell(Event("unreachable", task, host, self.unreachable[host]))
        return False


def _task(data: dict[str, Any]) -> str:
    return str(data.get("task") or data.get("name") or "").rsplit(" : ", 1)[-1]


def _message(result: Mapping[str, Any]) -> str:
    """Given a task's result, return the essence of its failure: what was said, and the last words of a command."""
    said = str(result.get("msg") or result.get("censored") or "").strip()
    errors = str(result.get("stderr") or result.get("module_stderr") or "").strip()
    output = str(result.get("stdout") or result.get("module_stdout") or "").strip()
    lines = [line for line in (errors or output).splitlines() if line.strip()][-4:]
    if said in {"", "non-zero return code"} or said.startswith("MODULE FAILURE"):
        said = _("the command failed (code %(code)s)") % {"code": result.get("rc", "?")}
    text = " ".join([said, *(line for line in lines if line not in said)])
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - 3] + "..."


def _result(runner: Any, listener: _Listener, seconds: float) -> PlaybookResult:
    stats = listener.stats
    # A host that only its own task may do without (ignore_unreachable) is not among the dark.
    dark = stats.get("dark", {}) if stats else listener.unreachable
    result = PlaybookResult(
        changed={host: int(count) for host, count in stats.get("changed", {}).items()},
        ok={host: int(count) for host, count in stats.get("ok", {}).items()},
        failed=listener.failed,
        unreachable={host: text for host, text in listener.unreachable.items() if host in dark},
        seconds=seconds,
        status=str(runner.status),
    )
    if not result.successful and not result.failed and not result.unreachable:
        # Ansible gave up before any task: its own words are all there is.
        stage = _("reading the playbook and the inventory")
        result.failed.append(Failure("", stage, _last_words(runner)))
    return result


def _last_words(runner: Any) -> str:
    try:
        lines = [line.strip() for line in runner.stdout.read().splitlines() if line.strip()]
    except (OSError, AttributeError):
        lines = []
    essential = [line for line in lines if "ERROR" in line] or lines[-3:]
    return " ".join(essential)[:MESSAGE_LIMIT] or _("Ansible ended without a word")
