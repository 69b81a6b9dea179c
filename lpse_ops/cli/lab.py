"""``lpse-ops lab``: a lab of real hosts on this machine."""

import dataclasses
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from lpse_ops.cli.options import LanguageOption, OutputMode, OutputOption
from lpse_ops.cli.output import emit, progress
from lpse_ops.errors import UsageError
from lpse_ops.i18n import _

if TYPE_CHECKING:
    from lpse_ops.lab.lab import Lab, LabStatus

NameOption = Annotated[
    str, typer.Option("--name", "-n", metavar="NAME", envvar="LPSE_OPS_LAB", help="Name of the lab.")
]
FAULTS = (
    "power-cut",
    "power-on",
    "freeze",
    "thaw",
    "partition",
    "heal",
    "fill-disk",
    "free-disk",
    "kill",
    "bmc-says",
)
HOSTS = ("node1", "node2", "repository", "controller", "controller2", "bmc1", "bmc2")


def _complete_faults() -> list[str]:
    return list(FAULTS)


def _complete_hosts() -> list[str]:
    return list(HOSTS)


LabelArgument = Annotated[str, typer.Argument(metavar="LABEL", help="Name of the snapshot.")]


def up(
    name: NameOption = "default",
    release: Annotated[
        str, typer.Option("--release", metavar="12|13", help="Debian release of the hosts.")
    ] = "12",
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> None:
    """Start a lab: node1, node2, repository, two controllers and a BMC a node; build what is not cached."""
    lab, began = _lab(name), time.monotonic()
    lab.up(release)
    seconds = round(time.monotonic() - began, 1)
    site = lab.site_folder
    emit(
        {"name": name, "release": release, "site": str(site), "seconds": seconds},
        _("The lab '%(name)s' (Debian %(release)s) is up after %(seconds)s s. Its inventory: %(site)s")
        % {"name": name, "release": release, "seconds": seconds, "site": site},
    )


def status(
    name: NameOption = "default", output: OutputOption = OutputMode.text, language: LanguageOption = None
) -> None:
    """Show the hosts of a lab: power, link, SSH, and which faults are in force."""
    state = _lab(name).status()
    emit(dataclasses.asdict(state), lambda: _table(state))


def exec_(
    host: Annotated[
        str,
        typer.Argument(metavar="HOST", autocompletion=_complete_hosts, help=f"{', '.join(HOSTS)}."),
    ],
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="The command and its arguments.")
    ],
    name: NameOption = "default",
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> int:
    """Run a command as root on a host, or on this machine in the network of a controller; exit with its code."""
    lab = _lab(name)
    if output is OutputMode.json:
        done = lab.run(host, command, timeout=None)
        emit({"exit_code": done.returncode, "stdout": done.stdout, "stderr": done.stderr})
        return done.returncode
    return subprocess.run(lab.command(host, command), check=False).returncode


def fault(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="FAULT",
            autocompletion=_complete_faults,
            help="power-cut HOST | power-on HOST | freeze HOST | thaw HOST | partition HOST [HOST] | heal | "
            "fill-disk HOST | free-disk HOST | kill HOST PROCESS | bmc-says NODE on|off|truth",
        ),
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARGUMENTS...", autocompletion=_complete_hosts, help="Hosts, process."),
    ] = None,
    name: NameOption = "default",
    hang: Annotated[bool, typer.Option("--hang", help="freeze: the processes only (the default).")] = False,
    pause: Annotated[
        bool, typer.Option("--pause", help="freeze: processes and link, as a paused machine.")
    ] = False,
    one_way: Annotated[
        bool, typer.Option("--one-way", help="partition: only what the first host sends is lost.")
    ] = False,
    leave_mb: Annotated[int, typer.Option("--leave-mb", min=0, help="fill-disk: MB to leave free.")] = 0,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> None:
    """Cause or undo a fault: power cut, freeze, partition, full disk, killed process."""
    if hang and pause:
        raise UsageError(_("--hang and --pause exclude each other."))
    lab, began = _lab(name), time.monotonic()
    words = arguments or []
    first, second = (words + [""] * 2)[:2]
    counts = {"partition": (1, 2), "heal": (0, 0), "kill": (2, 2), "bmc-says": (2, 2)}
    least, most = counts.get(kind, (1, 1))
    faults: dict[str, Callable[[], object]] = {
        "power-cut": lambda: lab.power_cut(first),
        "power-on": lambda: lab.power_on(first),
        "freeze": lambda: lab.freeze(first, "pause" if pause else "hang"),
        "thaw": lambda: lab.thaw(first),
        "partition": lambda: lab.partition(first, second or None, one_way),
        "heal": lab.heal,
        "fill-disk": lambda: lab.fill_disk(first, leave_mb),
        "free-disk": lambda: lab.free_disk(first),
        "kill": lambda: lab.kill(first, second),
        "bmc-says": lambda: lab.bmc_says(first, second),
    }
    if kind not in FAULTS:
        raise UsageError(
            _("There is no fault '%(kind)s'.") % {"kind": kind},
            hint=_("One of: %(faults)s.") % {"faults": ", ".join(FAULTS)},
        )
    if not least <= len(words) <= most:
        raise UsageError(
            _("'%(kind)s' takes %(least)d to %(most)d arguments.")
            % {"kind": kind, "least": least, "most": most},
            hint=_("See: lpse-ops lab fault --help"),
        )
    result = faults[kind]()
    seconds = round(time.monotonic() - began, 2)
    emit(
        {"fault": kind, "arguments": words, "result": result, "seconds": seconds},
        _("%(kind)s done after %(seconds)s s.") % {"kind": " ".join([kind, *words]), "seconds": seconds},
    )


def snapshot(
    label: LabelArgument,
    name: NameOption = "default",
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> None:
    """Keep the state of all hosts under a name; running hosts are shut down and started again."""
    began = time.monotonic()
    _lab(name).snapshot(label)
    _done(_("Snapshot '%(label)s' is taken after %(seconds)s s."), label, began)


def reset(
    label: LabelArgument,
    name: NameOption = "default",
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> None:
    """Put all hosts, network and BMCs back to a snapshot."""
    began = time.monotonic()
    _lab(name).reset(label)
    _done(_("The lab is back at '%(label)s' after %(seconds)s s."), label, began)


def down(
    name: NameOption = "default", output: OutputOption = OutputMode.text, language: LanguageOption = None
) -> None:
    """Stop a lab and leave nothing behind, whatever state it is in."""
    removed = _lab(name).down()
    text = _("The lab '%(name)s' is gone.") if removed else _("There was no lab '%(name)s'.")
    emit({"name": name, "removed": removed}, text % {"name": name})


def _lab(name: str) -> "Lab":
    from lpse_ops.lab.lab import Lab

    return Lab(name, report=progress)


def _done(text: str, label: str, began: float) -> None:
    seconds = round(time.monotonic() - began, 1)
    emit({"label": label, "seconds": seconds}, text % {"label": label, "seconds": seconds})


def _table(state: "LabStatus") -> object:
    from rich.table import Table

    title = _("Lab %(name)s, Debian %(release)s") % {"name": state.name, "release": state.release}
    table = Table(title=title, caption=_caption(state), caption_justify="left", title_justify="left")
    for heading in (_("Host"), _("Address"), _("Power"), _("Link"), "SSH", "BMC"):
        table.add_column(heading)
    yes_no = {True: _("yes"), False: _("no")}
    for host in state.hosts:
        power = _("frozen") if host.frozen else {"on": _("on"), "off": _("off")}[host.power]
        bmc = yes_no[state.bmcs[host.name]] if host.name in state.bmcs else ""
        table.add_row(host.name, host.address, power, yes_no[host.link], yes_no[host.ssh], bmc)
    return table


def _caption(state: "LabStatus") -> str:
    lines = [
        _("Inventory: %(site)s") % {"site": state.site},
        _("Snapshots: %(labels)s") % {"labels": ", ".join(state.snapshots) or "-"},
    ]
    lines += [_("Partition: %(rule)s") % {"rule": rule} for rule in state.partitions]
    return "\n".join(lines)
