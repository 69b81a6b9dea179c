"""What the suite needs to know of a site, as plain data: it travels to the test process in a 0600 file.

No secret is in it: what needs one (the status key) reads it on the host itself, as root.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lpse_ops.site import Site


@dataclass(frozen=True)
class Expected:
    """A site as its inventory describes it, flattened; addresses are strings, sizes MB, times seconds."""

    site: str
    lab: bool
    language: str
    hosts: dict[str, str]
    nodes: dict[str, int]  # name -> memory_mb
    repository: str
    time_zone: str
    max_clock_offset_s: float
    rpo_s: float
    public_keys: list[str]
    ssh_from: list[str]
    service_address: str
    service_prefix: int
    service_interface: str
    server_name: str
    certificate: str
    golden_copy: str
    instance: str
    folder: str
    user: str
    context_path: str
    app_address: str
    app_port: int
    documents: str
    database: str
    database_role: str
    database_port: int
    locale: str
    encoding: str
    replication: str
    heap_mb: int

    def other(self, node: str) -> str:
        """Return the name of the node that is not `node`."""
        return next(name for name in self.nodes if name != node)


@dataclass(frozen=True)
class Order:
    """One verification: which site, which hosts, which concern, how to reach them, in which language."""

    expected: Expected
    selected: list[str]
    ssh_config: str
    outside: bool = True
    only: str | None = None
    language: str = "en"
    clock_shift_s: dict[str, float] = field(default_factory=dict)

    def dump(self, path: Path) -> None:
        """Write the order to `path`, readable by its owner alone."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @staticmethod
    def load(path: Path) -> "Order":
        """Read an order that `dump` wrote."""
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Order(expected=Expected(**data.pop("expected")), **data)


def expected_of(site: "Site") -> Expected:
    """Given a site, return what the suite needs of it; relative paths are resolved in the inventory folder."""
    instance, service, database = site.instance, site.service, site.database
    return Expected(
        site=site.name,
        lab=site.lab is not None,
        language=site.language,
        hosts={name: str(address) for name, address in site.hosts.items()},
        nodes={name: node.memory_mb for name, node in site.nodes.items()},
        repository=site.repository.name,
        time_zone=site.time_zone,
        max_clock_offset_s=site.policy.max_clock_offset_s,
        rpo_s=site.policy.rpo_s,
        public_keys=list(site.access.public_keys),
        ssh_from=[str(network) for network in site.access.ssh_from],
        service_address=str(service.address),
        service_prefix=service.prefix,
        service_interface=service.interface,
        server_name=service.server_name,
        certificate=str(site.folder / service.certificate),
        golden_copy=str(site.folder / instance.golden_copy),
        instance=instance.name,
        folder=str(instance.folder),
        user=instance.user,
        context_path=instance.context_path,
        app_address=str(instance.address),
        app_port=instance.port,
        documents=str(instance.documents),
        database=instance.database,
        database_role=instance.database_role,
        database_port=database.port,
        locale=database.locale,
        encoding=database.encoding,
        replication=site.replication,
        heap_mb=instance.heap_mb,
    )
