"""The root of the command line: a table of commands whose modules are imported only when one of them runs.

A command is a plain function with typed parameters (the common ones from `lpse_ops.cli.options`), named in `COMMANDS`
as ``"module:function"``. It prints through `lpse_ops.cli.output.emit`, raises `lpse_ops.errors.LpseError`, and returns
None, or an int that becomes the exit code. A command whose module does not exist is not listed.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import lpse_ops
from lpse_ops.i18n import N_, _

PROGRAM = "lpse-ops"
_PACKAGE = Path(lpse_ops.__file__).parent


@dataclass(frozen=True)
class Entry:
    """One command: where its function is and what it does in one line."""

    target: str
    help: str


@dataclass(frozen=True)
class Group:
    """A group of commands and what they are about in one line."""

    help: str
    entries: Mapping[str, Entry] = field(default_factory=dict)


COMMANDS: Mapping[str, Entry | Group] = {
    "site": Group(
        N_("The inventory of a site."),
        {
            "check": Entry("lpse_ops.cli.site:check", N_("Check an inventory and name all its faults.")),
            "fetch": Entry("lpse_ops.cli.site:fetch", N_("Fetch the inventory from a host of the site.")),
            "schema": Entry("lpse_ops.cli.site:schema", N_("Print the JSON Schema of site.yml.")),
        },
    ),
    "provision": Entry(
        "lpse_ops.cli.provision:provision", N_("Make a bare host a node that can carry the service.")
    ),
    "protect": Entry("lpse_ops.cli.protect:protect", N_("Make the other node a standby of the active one.")),
    "status": Entry(
        "lpse_ops.cli.status:status", N_("Show which node is active and how far the standby lags.")
    ),
    "release": Entry(
        "lpse_ops.cli.release:release", N_("Open a node that its return guard holds; no voter can be asked.")
    ),
    "divergence": Entry(
        "lpse_ops.cli.divergence:divergence", N_("List what only the node that was active before holds.")
    ),
    "verify": Entry("lpse_ops.cli.verify:verify", N_("Test hosts against what the inventory says.")),
    "failover": Entry(
        "lpse_ops.cli.failover:failover", N_("Bring the service up on the standby; the active node is dead.")
    ),
    "resume": Entry("lpse_ops.cli.resume:resume", N_("Finish a run that was interrupted.")),
    "report": Entry("lpse_ops.cli.resume:report", N_("Print the report of a run.")),
    "journal": Group(
        N_("The journals of runs."),
        {
            "list": Entry("lpse_ops.cli.journal:list_", N_("List the runs of a site.")),
            "show": Entry("lpse_ops.cli.journal:show", N_("Show the events of a run.")),
            "verify": Entry(
                "lpse_ops.cli.journal:verify", N_("Check that a journal is whole and unaltered.")
            ),
        },
    ),
    "drill": Group(
        N_("Drills that prove a recovery."),
        {"lab": Entry("lpse_ops.cli.drill:lab", N_("Power cut and failover in the lab, with proof."))},
    ),
    "lab": Group(
        N_("A lab of real hosts on this machine."),
        {
            "up": Entry("lpse_ops.cli.lab:up", N_("Start a lab, building what is missing.")),
            "status": Entry("lpse_ops.cli.lab:status", N_("Show the hosts of a lab.")),
            "exec": Entry("lpse_ops.cli.lab:exec_", N_("Run a command on a host of a lab.")),
            "fault": Entry(
                "lpse_ops.cli.lab:fault", N_("Cause or undo a fault: power cut, freeze, partition ...")
            ),
            "snapshot": Entry("lpse_ops.cli.lab:snapshot", N_("Keep the state of all hosts under a name.")),
            "reset": Entry("lpse_ops.cli.lab:reset", N_("Put all hosts back to a snapshot.")),
            "down": Entry("lpse_ops.cli.lab:down", N_("Stop a lab and leave nothing behind.")),
        },
    ),
}


class StubCommand(TyperCommand):
    """A command by name and help only; `load` imports the real one."""

    def __init__(self, name: str, entry: Entry) -> None:
        super().__init__(name, short_help=_(entry.help), rich_markup_mode=None)
        self.target = entry.target

    def load(self) -> Any:
        """Import the module of this command and return the real command."""
        module, function = self.target.split(":")
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.command(self.name, context_settings={"help_option_names": ["-h", "--help"]})(
            getattr(importlib.import_module(module), function)
        )
        return typer.main.get_command(app)


class LazyGroup(TyperGroup):
    """A group of stubs: listing and completing commands imports nothing; resolving one imports that one."""

    def fill(self, entries: Mapping[str, Entry | Group]) -> "LazyGroup":
        """Add a stub for every command of `entries` whose module exists; return the group."""
        for name, entry in entries.items():
            if isinstance(entry, Entry):
                if _exists(entry.target):
                    self.add_command(StubCommand(name, entry), name)
            else:
                group = _group(name, entry.help).fill(entry.entries)
                if group.commands:
                    self.add_command(group, name)
        return self

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """As in the parent, with the stub replaced by the real command."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, StubCommand) else command, rest


def _exists(target: str) -> bool:
    relative = target.split(":", maxsplit=1)[0].removeprefix("lpse_ops.").replace(".", "/")
    return (_PACKAGE / f"{relative}.py").is_file()


def _group(name: str | None, text: str) -> LazyGroup:
    def nothing() -> None: ...

    app = typer.Typer(cls=LazyGroup, add_completion=False, rich_markup_mode=None)
    app.callback(
        no_args_is_help=True, help=_(text), context_settings={"help_option_names": ["-h", "--help"]}
    )(nothing)
    group = typer.main.get_command(app)
    if not isinstance(group, LazyGroup):
        raise TypeError(type(group))
    group.name = name
    return group


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"{PROGRAM} {lpse_ops.__version__}")
        raise typer.Exit


def build() -> LazyGroup:
    """Return the root command, with completion (``--install-completion``) and ``--version``."""

    def root(
        version: Annotated[
            bool,
            typer.Option("--version", callback=_show_version, is_eager=True, help=_("Print the version.")),
        ] = False,
    ) -> None: ...

    app = typer.Typer(cls=LazyGroup, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback(
        no_args_is_help=True,
        help=_("Failover, rebuild and recovery drills for LPSE sites that run SPSE."),
        context_settings={"help_option_names": ["-h", "--help"]},
    )(root)
    group = typer.main.get_command(app)
    if not isinstance(group, LazyGroup):
        raise TypeError(type(group))
    return group.fill(COMMANDS)
