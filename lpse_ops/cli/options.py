"""The parameters that commands share, as annotated types, and what follows from them.

A command on a site takes ``site: SiteOption = None, vault_password_file: VaultPasswordOption = None,
output: OutputOption = OutputMode.text, language: LanguageOption = None`` and begins with
``the_site = open_site(site, vault_password_file)``. `output` and `language` take effect while the command line is
parsed; a command needs to name them only.
"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpse_ops.cli import output as _output
from lpse_ops.i18n import set_language

if TYPE_CHECKING:
    from lpse_ops.site import Site


class OutputMode(StrEnum):
    """How results are printed."""

    text = "text"
    json = "json"


class Language(StrEnum):
    """Language of messages."""

    en = "en"
    id = "id"


def _use_output(value: OutputMode) -> OutputMode:
    _output.use(value.value)
    return value


def _use_language(value: Language | None) -> Language | None:
    if value is not None:
        set_language(value.value)
    return value


def _complete_site() -> list[str]:
    found = sorted(p.parent.name for p in Path("inventory").glob("*/hosts.yml") if p.parent.name != "lab")
    return ["lab", *found]


SiteOption = Annotated[
    str | None,
    typer.Option(
        "--site",
        "-s",
        metavar="SITE",
        envvar="LPSE_OPS_SITE",
        show_envvar=True,
        autocompletion=_complete_site,
        help="Folder of the inventory, its name under ./inventory, 'lab' or 'lab:NAME'.",
    ),
]
VaultPasswordOption = Annotated[
    Path | None,
    typer.Option(
        "--vault-password-file",
        metavar="FILE",
        envvar="LPSE_OPS_VAULT_PASSWORD_FILE",
        show_envvar=True,
        help="File whose first line is the password of vault.yml.",
    ),
]
OutputOption = Annotated[
    OutputMode, typer.Option("--output", callback=_use_output, is_eager=True, help="How to print the result.")
]
LanguageOption = Annotated[
    Language | None,
    typer.Option(
        "--language",
        callback=_use_language,
        is_eager=True,
        envvar="LPSE_OPS_LANGUAGE",
        help="Language of messages: English or Bahasa Indonesia.",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
PlanOption = Annotated[bool, typer.Option("--plan", help="Print the plan and change nothing.")]


def open_site(
    ref: str | None,
    vault_password_file: Path | None = None,
    *,
    secrets: bool = True,
    network: bool = True,
    material: bool = False,
) -> "Site":
    """Given the values of ``--site`` and ``--vault-password-file``, return the loaded Site.

    `material`: the command sets hosts up, so the files for that (golden copy, package key) must be there. With
    `network`, this process enters the network of a lab site (call it before any thread starts).
    Raise UsageError, InventoryError, VaultError or LabError as `load_site` and `enter_network` do.
    """
    from lpse_ops.site import enter_network, load_site

    site = load_site(ref, vault_password_file, secrets=secrets, material=material)
    if network:
        enter_network(site)
    return site
