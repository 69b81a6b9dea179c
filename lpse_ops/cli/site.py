"""``lpse-ops site``: check an inventory, print the schema of site.yml."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lpse_ops.cli.options import LanguageOption, OutputMode, OutputOption, SiteOption, VaultPasswordOption
from lpse_ops.cli.output import emit, is_json, said_if_slow
from lpse_ops.i18n import _


def check(
    site: SiteOption = None,
    vault_password_file: VaultPasswordOption = None,
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> int:
    """Check an inventory: every fault at once, each with its file, key and what to do (exit 2), or a summary."""
    from lpse_ops.site.certificate import check_certificate
    from lpse_ops.site.find import find_inventory
    from lpse_ops.site.loader import inventory_error, read_inventory

    reading = read_inventory(find_inventory(site), vault_password_file)
    if reading.site is not None:
        reading.faults += check_certificate(reading.site)
    if not reading.faults and reading.site is not None:
        loaded = reading.site
        hosts = ", ".join(f"{name} ({address})" for name, address in loaded.hosts.items())
        emit(
            {"site": loaded.name, "folder": str(loaded.folder), "hosts": loaded.hosts, "faults": []},
            _("The inventory of %(title)s (%(name)s) has no faults. Hosts: %(hosts)s. Service: %(service)s.")
            % {"title": loaded.title, "name": loaded.name, "hosts": hosts, "service": loaded.service.address},
        )
        return 0
    error = inventory_error(reading)
    if not is_json():
        raise error
    emit({"site": None, "folder": str(reading.folder), "faults": [asdict(fault) for fault in reading.faults]})
    return error.exit_code


def fetch(
    host: Annotated[str, typer.Argument(metavar="ADDRESS", help="Address of any host of the site.")],
    into: Annotated[
        Path, typer.Option("--into", metavar="FOLDER", help="Where to put the inventory; must not exist yet.")
    ],
    identity: Annotated[
        Path | None,
        typer.Option(
            "--identity", metavar="FILE", help="Your private SSH key (default: the keys of the SSH agent)."
        ),
    ] = None,
    known_hosts: Annotated[
        Path, typer.Option("--known-hosts", metavar="FILE", help="File of host keys that you trust.")
    ] = Path("~/.ssh/known_hosts"),
    output: OutputOption = OutputMode.text,
    language: LanguageOption = None,
) -> None:
    """Fetch the inventory of a site from one of its hosts, for a machine that never had it.

    `protect` leaves it there, its vault encrypted. Bring your SSH key and the vault's password; then
    `lpse-ops resume --from HOST --site FOLDER` goes on with a run whose controller is gone. The host's key must be in
    --known-hosts: compare its fingerprint at the console.
    """
    from lpse_ops.remote.ssh import Fleet, Reach
    from lpse_ops.site.loader import load_site
    from lpse_ops.site.sealed import place_identity, unpack

    reach = Reach({host: host}, known_hosts.expanduser(), identity)
    with Fleet(reach) as fleet, said_if_slow(_("Asking %(host)s ...") % {"host": host}):
        if failures := fleet.open([host]):
            raise failures[host]
        reply = fleet.node(host, ["inventory"]).data
    names = unpack(str(reply["inventory"]), into)
    if identity is not None:
        place_identity(into, identity)
    site = load_site(into, secrets=False, material=False)
    emit(
        {"site": site.name, "folder": str(into), "files": names},
        _("The inventory of %(site)s is in %(folder)s. Next: lpse-ops status --site %(folder)s")
        % {"site": site.name, "folder": into},
    )


def schema(output: OutputOption = OutputMode.text, language: LanguageOption = None) -> None:
    """Print the JSON Schema of site.yml (for editors and other programs)."""
    from lpse_ops.site.schema import site_schema

    emit(site_schema())
