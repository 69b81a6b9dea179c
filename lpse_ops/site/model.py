"""The model of a site: what site.yml, hosts.yml and vault.yml say, checked, frozen and complete.

Descriptions and examples of the fields are the one source of the JSON Schema, of docs/inventory.md and of the commented
example inventory. Every key is written out in site.yml (no defaults here), because Ansible reads the same file and
knows no defaults of this model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, model_validator

from lpse_ops.errors import UsageError
from lpse_ops.i18n import _
from lpse_ops.site.types import (
    AbsolutePath,
    Address,
    AddressNetwork,
    AgentName,
    AgentOption,
    ContextPath,
    Hostname,
    Identifier,
    InterfaceName,
    NodeName,
    PlainText,
    Port,
    PublicKey,
    RelativePath,
    SiteName,
    TimeZone,
    UserName,
    fault,
)


class Strict(BaseModel):
    """Base of all parts: unknown keys are refused, values cannot be changed, a number in quotes is not a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Packages(Strict):
    """Where hosts get their packages from."""

    source: Literal["store", "distribution"] = Field(
        description="`store`: an offline package store (no internet). `distribution`: the sources the host has.",
        examples=["store"],
    )
    store: str | None = Field(
        default=None,
        pattern=r"^(file:/|https?://)\S+$",
        description="Address of the store as a host sees it (with `source: store`).",
        examples=["file:/srv/lpse-packages"],
    )
    key: RelativePath | None = Field(
        default=None,
        description="The store's signing key, in the inventory folder (with `source: store`).",
        examples=["artifacts/packages.asc"],
    )


class Access(Strict):
    """Who reaches the hosts by SSH, and how."""

    bootstrap_user: UserName = Field(
        description="Account for the very first login, until lpse-admin exists.",
        examples=["root"],
    )
    identity_file: str | None = Field(
        default=None,
        min_length=1,
        description="The technician's private key, in the inventory folder or absolute. Leave out: the SSH agent.",
        examples=["ssh/id_ed25519"],
    )
    public_keys: Annotated[tuple[PublicKey, ...], Field(strict=False)] = Field(
        min_length=1,
        description="Public keys that may log in as lpse-admin and lpse-hot.",
        examples=[
            ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGV4YW1wbGUgb25seSAtIHB1dCB5b3VyIG93biBoZXJl technician"]
        ],
    )
    ssh_from: Annotated[tuple[AddressNetwork, ...], Field(strict=False)] = Field(
        min_length=1,
        description="Networks from which SSH is let in; the firewall drops it from anywhere else.",
        examples=[["192.0.2.0/24"]],
    )


class Service(Strict):
    """What the public sees: one address that the active node holds."""

    address: Address = Field(
        description="The service address. Only lpse-ops puts it on a node; configure it nowhere else.",
        examples=["192.0.2.10"],
    )
    prefix: int = Field(ge=8, le=30, description="Prefix length of its network.", examples=[24])
    interface: InterfaceName = Field(
        description="Network interface of the nodes that carries it.", examples=["eno1"]
    )
    server_name: Hostname = Field(
        description="Name under which the public reaches SPSE.", examples=["spse.example.go.id"]
    )
    certificate: RelativePath = Field(
        description="TLS certificate with its chain (PEM), in the inventory folder. Its key is the secret `tls_key`.",
        examples=["artifacts/tls/service.crt"],
    )


class Bmc(Strict):
    """The management controller (IPMI) that can cut a node's power."""

    address: Address = Field(description="Its address.", examples=["192.0.2.21"])
    port: Port = Field(description="Its UDP port.", examples=[623])
    user: str = Field(
        min_length=1,
        max_length=16,
        description="A user that may read and set the power. Its password is a secret.",
        examples=["lpse"],
    )
    cipher_suite: int = Field(
        ge=0, le=17, description="IPMI cipher suite; 17 if the board can, else 3.", examples=[17]
    )


class Fence(Strict):
    """Another way than IPMI to cut a node's power."""

    method: Literal["agent", "command", "attestation"] = Field(
        description=(
            "`agent`: a program of fence-agents. `command`: programs of your own. `attestation`: only a person can."
        ),
        examples=["agent"],
    )
    agent: AgentName | None = Field(
        default=None,
        description="Name of the agent (with `method: agent`).",
        examples=["fence_redfish"],
    )
    options: Mapping[AgentOption, PlainText] | None = Field(
        default=None,
        description="What the agent is told, but for `action` and the secret (see its manual page); text, in quotes.",
        examples=[{"ip": "192.0.2.21", "username": "lpse", "ssl-insecure": "1"}],
    )
    secret_option: AgentOption | None = Field(
        default=None,
        description="The agent's option that takes the secret `fence_secrets.NODE`. Leave out: `password`.",
        examples=["password"],
    )
    power_off: Annotated[tuple[PlainText, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None,
        description="Program and words that cut the power (with `method: command`); the secret is its input.",
        examples=[["/usr/local/sbin/outlet", "off", "7"]],
    )
    power_status: Annotated[tuple[PlainText, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None,
        description="The same, that looks: it ends with 0 if the power is on, with 2 if it is off.",
        examples=[["/usr/local/sbin/outlet", "status", "7"]],
    )

    @model_validator(mode="after")
    def _keys_of_the_method(self) -> Self:
        own = {
            "agent": {"agent", "options", "secret_option"},
            "command": {"power_off", "power_status"},
            "attestation": set(),
        }[self.method]
        needed = {"agent": {"agent"}, "command": own, "attestation": set()}[self.method]
        given = self.model_fields_set - {"method"}
        if wrong := sorted(given - own):
            raise fault(
                _("with `method: %(method)s` there is no `%(key)s`")
                % {"method": self.method, "key": "`, `".join(wrong)}
            )
        if missing := sorted(needed - given):
            raise fault(
                _("`method: %(method)s` needs `%(key)s`")
                % {"method": self.method, "key": "`, `".join(missing)}
            )
        if self.options is not None and {"action", self.secret_option or "password"} & self.options.keys():
            raise fault(
                _("`action` and the secret are no options: the secret stands in the vault (`fence_secrets`)")
            )
        for command in (self.power_off, self.power_status):
            if command is not None and not command[0].startswith("/"):
                raise fault(_("name the program with its whole path: %(name)s") % {"name": command[0]})
        return self


class NodeSettings(Strict):
    """A host that can carry the service."""

    memory_mb: int = Field(
        ge=512, description="Memory in MiB; database and application are sized by it.", examples=[16384]
    )
    bmc: Bmc | None = Field(default=None, description="How its power is cut, by IPMI. Else: `fence`.")
    fence: Fence | None = Field(
        default=None,
        description="How its power is cut if not by IPMI; stands in the place of `bmc`.",
        json_schema_extra={"x-instead-of": "bmc"},
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.bmc is None) == (self.fence is None):
            raise fault(_("say how the power is cut: either `bmc` or `fence`"))
        return self

    @property
    def has_power_switch(self) -> bool:
        """Return whether a program can read and cut its power."""
        return self.fence is None or self.fence.method != "attestation"

    def fence_settings(self) -> dict[str, Any]:
        """Return how its power is cut as it stands in site.yml, under the one key ``bmc`` or ``fence``."""
        return self.model_dump(mode="json", include={"bmc", "fence"}, exclude_unset=True, exclude_none=True)


class Node(NodeSettings):
    """A node with its name and address (from hosts.yml)."""

    name: str
    address: str


class Repository(Strict):
    """The third host: backups, third voter (from hosts.yml)."""

    name: str
    address: str


class Instance(Strict):
    """The SPSE instance."""

    name: SiteName = Field(
        description="Name of the instance; its unit is `spse@NAME`.", examples=["production"]
    )
    folder: AbsolutePath = Field(description="Application folder.", examples=["/home/appserv/production"])
    golden_copy: RelativePath = Field(
        description="Tar archive of the application folder, taken from the live server, in the inventory folder.",
        examples=["artifacts/golden/production.tar"],
    )
    user: UserName = Field(description="Unprivileged account that runs the application.", examples=["spse"])
    context_path: ContextPath = Field(
        description="Path of the application (`http.path`).", examples=["/eproc4"]
    )
    address: Literal["127.0.0.1"] = Field(
        description="Address the application listens on.", examples=["127.0.0.1"]
    )
    port: Port = Field(description="Port the application listens on (`http.port`).", examples=[9090])
    heap_mb: int = Field(ge=64, description="Java heap in MiB.", examples=[4096])
    start_timeout_s: int = Field(
        ge=5, le=1800, description="Seconds the application may take to start.", examples=[120]
    )
    documents: AbsolutePath = Field(
        description="Tree of bid documents (`attachments.path`).", examples=["/home/file/file_prod"]
    )
    database: Identifier = Field(description="Name of its database.", examples=["epns_prod"])
    database_role: Identifier = Field(description="Database role of the application.", examples=["epns"])


class Database(Strict):
    """PostgreSQL."""

    port: Port = Field(description="Port of PostgreSQL.", examples=[5432])
    locale: str = Field(
        pattern=r"^[A-Za-z0-9_.@-]+$",
        description="Locale of the databases; the same as on the server the data comes from.",
        examples=["en_US.UTF-8"],
    )
    encoding: Literal["UTF8", "SQL_ASCII", "LATIN1"] = Field(
        description="Encoding of the databases.", examples=["UTF8"]
    )


class Fencing(Strict):
    """How a failover makes sure that the old node is dead."""

    origin: Literal["controller", "repository"] = Field(
        default="controller",
        alias="from",
        description="From where power is switched: BMCs are often in a network that only the server room reaches.",
        examples=["controller"],
    )
    reread_after_s: float = Field(
        ge=0,
        le=60,
        description="Seconds after which the power state is read again; boards report `off` too early.",
        examples=[2.0],
    )
    silent_for_s: float = Field(
        ge=0,
        le=60,
        description="Seconds for which the service address must stay silent before it is taken.",
        examples=[1.0],
    )


class Policy(Strict):
    """What the office has promised."""

    rpo_s: float = Field(ge=0, description="Seconds of data that may be lost at most.", examples=[60])
    max_clock_offset_s: float = Field(
        gt=0,
        le=60,
        description="Seconds a clock may be off; procurement time is the server's time.",
        examples=[1.0],
    )


class Secrets(Strict):
    """What vault.yml holds."""

    database_password: SecretStr = Field(
        min_length=8, description="Password of the application's database role."
    )
    replication_password: SecretStr = Field(min_length=8, description="Password of the replication role.")
    monitor_password: SecretStr = Field(min_length=8, description="Password of the monitoring role.")
    application_secret: SecretStr = Field(
        min_length=16,
        description="`application.secret` of the live server. Keep it: document links are made with it.",
    )
    status_key: SecretStr = Field(min_length=8, description="`application.statusKey`.")
    tls_key: SecretStr = Field(min_length=1, description="Private key of the certificate (PEM).")
    bmc_passwords: dict[NodeName, Annotated[SecretStr, Field(min_length=1, max_length=20)]] = Field(
        default_factory=dict,
        description="Password of the BMC user of each node that has `bmc` (IPMI allows 20 bytes).",
    )
    fence_secrets: dict[NodeName, Annotated[SecretStr, Field(min_length=1, max_length=500)]] = Field(
        default_factory=dict, description="Secret of the fence agent or command of a node that has `fence`."
    )


class SiteSettings(Strict):
    """What site.yml says under the key `lpse`."""

    schema_version: Literal[1] = Field(
        alias="schema", description="Version of this file's layout.", examples=[1]
    )
    name: SiteName = Field(
        description="Short name of the site: small letters, digits, hyphens.", examples=["example"]
    )
    title: str = Field(
        min_length=1,
        max_length=200,
        description="Name of the office on papers.",
        examples=["LPSE Kabupaten Contoh"],
    )
    language: Literal["id", "en"] = Field(
        description="Language of papers and of the notice page.", examples=["id"]
    )
    time_zone: TimeZone = Field(
        description="Asia/Jakarta (WIB), Asia/Makassar (WITA) or Asia/Jayapura (WIT).",
        examples=["Asia/Jakarta"],
    )
    packages: Packages = Field(description="Where hosts get their packages from.")
    access: Access = Field(description="Who reaches the hosts by SSH, and how.")
    service: Service = Field(description="What the public sees.")
    nodes: Mapping[NodeName, NodeSettings] = Field(
        min_length=2,
        max_length=2,
        description="The two hosts that can carry the service, named as in hosts.yml. None is marked as active.",
    )
    instance: Instance = Field(description="The SPSE instance.")
    database: Database = Field(description="PostgreSQL.")
    replication: Literal["async", "sync"] = Field(
        description=(
            "`async`: fast; a failover may lose the last moments. `sync`: nothing acknowledged is lost, "
            "and nothing is accepted while the standby is away."
        ),
        examples=["async"],
    )
    fencing: Fencing = Field(description="How a failover makes sure that the old node is dead.")
    policy: Policy = Field(description="What the office has promised.")


class Site(SiteSettings):
    """A site as the rest of the program sees it: settings, hosts and files in one; get one from `load_site`."""

    nodes: Mapping[str, Node]
    repository: Repository
    folder: Path
    lab: str | None = None

    _secrets: Secrets | None = PrivateAttr(default=None)

    @property
    def secrets(self) -> Secrets:
        """Return the secrets of vault.yml. Raise UsageError if the site was loaded without them."""
        if self._secrets is None:
            raise UsageError(_("The secrets of this site are needed, but were not read."))
        return self._secrets

    def with_secrets(self, secrets: Secrets | None) -> "Site":
        """Given secrets, return this site with them."""
        self._secrets = secrets
        return self

    @property
    def hosts(self) -> dict[str, str]:
        """Return the address of every host by its name: nodes, then the repository."""
        return {n.name: n.address for n in self.nodes.values()} | {
            self.repository.name: self.repository.address
        }

    def other(self, node: str) -> str:
        """Given a node's name, return the other node's. Raise UsageError if there is no such node."""
        if node not in self.nodes:
            raise UsageError(
                _("There is no node '%(node)s' in site %(site)s.") % {"node": node, "site": self.name},
                hint=_("Its nodes are: %(nodes)s.") % {"nodes": ", ".join(self.nodes)},
            )
        return next(name for name in self.nodes if name != node)

    @property
    def known_hosts(self) -> Path:
        """Return the file of the host keys that are trusted."""
        return self.folder / "known_hosts"

    @property
    def identity_file(self) -> Path | None:
        """Return the technician's private key, or None for the SSH agent."""
        name = self.access.identity_file
        return None if name is None else self.folder / Path(name).expanduser()
