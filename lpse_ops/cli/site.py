"""``lpse-ops site``: check an inventory, print the schema of site.yml."""

from dataclasses import asdict

from lpse_ops.cli.options import LanguageOption, OutputMode, OutputOption, SiteOption, VaultPasswordOption
from lpse_ops.cli.output import emit, is_json
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


def schema(output: OutputOption = OutputMode.text, language: LanguageOption = None) -> None:
    """Print the JSON Schema of site.yml (for editors and other programs)."""
    from lpse_ops.site.schema import site_schema

    emit(site_schema())
