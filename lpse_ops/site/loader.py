"""Reads an inventory folder into a Site, or names everything that is wrong with it at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ValidationError

from lpse_ops.errors import InventoryError, VaultError
from lpse_ops.i18n import _
from lpse_ops.site import checks, vault
from lpse_ops.site.explain import explain
from lpse_ops.site.find import find_inventory, lab_of
from lpse_ops.site.model import Node, Repository, Secrets, Site, SiteSettings
from lpse_ops.site.yamlfile import Document, Fault, parse

HOSTS = "hosts.yml"
SETTINGS = "group_vars/all/site.yml"
CONNECTION = "group_vars/all/connection.yml"
VAULT = "group_vars/all/vault.yml"


@dataclass
class Reading:
    """What came out of reading an inventory: a site if there is no fault, else the faults."""

    folder: Path
    site: Site | None = None
    faults: list[Fault] = field(default_factory=list)


def load_site(
    ref: str | Path | None = None,
    vault_password_file: Path | None = None,
    secrets: bool = True,
    *,
    material: bool = True,
) -> Site:
    """Given an inventory (folder, name, ``lab``, ``lab:NAME``; None: the only one), return its Site.

    `secrets=False` leaves vault.yml unread. `material=False` does without the files that only setting hosts up takes:
    a controller that fetched the inventory in the night has none of them. Raise UsageError if the inventory is not
    found, VaultError if the vault does not open, InventoryError with all faults of the files.
    """
    reading = read_inventory(find_inventory(ref), vault_password_file, secrets=secrets, material=material)
    if reading.site is None:
        raise inventory_error(reading)
    return reading.site


def inventory_error(reading: Reading) -> InventoryError:
    """Given a reading with faults, return the error that names them all."""
    count = len(reading.faults)
    summary = (
        _("The inventory %(folder)s has a fault.") % {"folder": reading.folder}
        if count == 1
        else _("The inventory %(folder)s has %(count)s faults.") % {"folder": reading.folder, "count": count}
    )
    return InventoryError(
        summary,
        reasons=[str(fault) for fault in reading.faults],
        hint=_("Correct the files named above, then check again: `lpse-ops site check --site %(folder)s`.")
        % {"folder": reading.folder},
    )


def read_inventory(
    folder: Path, vault_password_file: Path | None = None, *, secrets: bool = True, material: bool = True
) -> Reading:
    """Given an inventory folder, return its Site or all its faults. Raise VaultError if the vault does not open."""
    reading = Reading(folder)
    hosts = _read(folder, HOSTS, reading.faults)
    settings = _read(folder, SETTINGS, reading.faults)
    if not (folder / CONNECTION).is_file():
        reading.faults.append(_missing(CONNECTION))
    found = checks.read_hosts(hosts, reading.faults)
    model = _validate(settings, "lpse", SiteSettings, reading.faults)
    reading.faults += checks.cross_check(folder, settings, found, material=material)
    the_secrets = _secrets(folder, vault_password_file, settings, reading.faults) if secrets else None
    if reading.faults or not isinstance(model, SiteSettings):
        reading.faults = _in_order(reading.faults)
        return reading
    reading.site = _assemble(folder, model, found).with_secrets(the_secrets)
    return reading


def _assemble(folder: Path, settings: SiteSettings, hosts: checks.Hosts) -> Site:
    ((repository, address),) = hosts.repository.items()
    nodes = {
        # As it was validated: which keys were given stays known.
        name: Node.model_construct(
            {*node.model_fields_set, "name", "address"},
            **dict(node),
            name=name,
            address=hosts.nodes[name],
        )
        for name, node in settings.nodes.items()
    }
    # model_construct: every part was validated above; doing it again would only cost time.
    return Site.model_construct(
        **{name: getattr(settings, name) for name in SiteSettings.model_fields if name != "nodes"},
        nodes=nodes,
        repository=Repository(name=repository, address=address),
        folder=folder,
        lab=lab_of(folder),
    )


def _read(folder: Path, name: str, faults: list[Fault]) -> Document:
    try:
        document = parse(name, (folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        document = Document(name, faults=[_missing(name)])
    except UnicodeDecodeError:
        document = Document(name, faults=[Fault(name, _("not a text file in UTF-8"), _("save it as UTF-8"))])
    except OSError as error:
        reason = error.strerror or type(error).__name__
        document = Document(
            name,
            faults=[
                Fault(name, _("cannot be read: %(reason)s") % {"reason": reason}, _("check its permissions"))
            ],
        )
    faults += document.faults
    return document


def _missing(name: str) -> Fault:
    return Fault(name, _("this file is missing"), _("copy it from the example inventory and adapt it"))


def _validate(document: Document, root: str, model: type[BaseModel], faults: list[Fault]) -> BaseModel | None:
    """Given a document whose only key is `root`, return its model, or add every fault to `faults`."""
    if document.data is None:
        if not document.faults:
            faults.append(
                Fault(document.name, _("the file is empty"), _("it holds one key, `%(key)s`") % {"key": root})
            )
        return None
    if not isinstance(document.data, dict) or root not in document.data:
        faults.append(
            Fault(
                document.name, _("the key `%(key)s` is missing") % {"key": root}, _("put everything under it")
            )
        )
        return None
    for extra in document.data.keys() - {root}:
        faults.append(
            document.fault(
                (extra,), _("this key is unknown"), _("only `%(key)s` may stand here") % {"key": root}
            )
        )
    try:
        return model.model_validate(document.data[root])
    except ValidationError as error:
        # A value whose YAML is at fault came out as None: its own fault is enough.
        told = {fault.key for fault in document.faults}
        found = [
            explain(document, (root,), model, dict(details)) for details in error.errors(include_url=False)
        ]
        faults += [fault for fault in found if fault.key not in told]
        return None


def _secrets(
    folder: Path, password_file: Path | None, settings: Document, faults: list[Fault]
) -> Secrets | None:
    path = folder / VAULT
    if not path.is_file():
        faults.append(
            Fault(
                VAULT,
                _("this file is missing"),
                _("vault.example.yml.txt of the example inventory says how to make it"),
            )
        )
        return None
    try:
        encrypted = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        encrypted = ""
    try:
        if not vault.is_vault(encrypted):
            # Not encrypted is told before a password is asked for.
            vault.decrypt(encrypted, "", str(path))
        text = vault.decrypt(encrypted, vault.find_password(password_file, folder), str(path))
    except VaultError as error:
        if not faults:
            raise
        # With other faults about, this is one of them: all are told at once.
        faults.append(Fault(VAULT, error.message, error.hint))
        return None
    document = parse(VAULT, text)
    # What PyYAML says about a line can quote it; a line of the vault must not be quoted.
    faults += [
        Fault(VAULT, _("not YAML"), _("edit it: `ansible-vault edit`"), line=f.line) for f in document.faults
    ]
    if document.faults:
        return None
    secrets = _validate(document, "lpse_secrets", Secrets, faults)
    faults += checks.check_secrets(document, settings)
    return secrets if isinstance(secrets, Secrets) else None


def _in_order(faults: Sequence[Fault]) -> list[Fault]:
    order = {name: index for index, name in enumerate((HOSTS, SETTINGS, CONNECTION, VAULT))}
    unique = dict.fromkeys(faults)
    return sorted(unique, key=lambda f: (order.get(f.file, len(order)), f.line or 0, f.key))
