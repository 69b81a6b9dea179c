"""A host of the lab: its description, what makes it this host and no other, running commands in it."""

import re
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.lab import disk, network, power, tools
from lpse_ops.lab.names import ADDRESSES, HOSTS, PREFIX, SERVICE_ADDRESS, SERVICE_NAME, LabNames, mac_address
from lpse_ops.lab.power import HostFile
from lpse_ops.waiting import scaled, wait_until

BOOT_SECONDS = 60
_HOST_ENVIRONMENT = {"HOME": "/root", "LANG": "C.UTF-8", "PATH": tools.PATH, "TERM": "dumb", "USER": "root"}


def describe(names: LabNames, host: str, image: Path, store: Path) -> HostFile:
    """Return the description of a new host on `image`, and write it to the host's folder."""
    folder = names.folder(host)
    for path in (folder, folder / "disk", folder / "root"):
        path.mkdir(parents=True, mode=0o755)
    description = HostFile(
        lab=names.name,
        name=host,
        machine=names.machine(host),
        namespace=names.namespace(host),
        switch=names.namespace("switch"),
        address=ADDRESSES[host],
        prefix=PREFIX,
        mac=mac_address(host),
        base=str(folder),
        image=str(image / "root"),
        store=str(store / "packages"),
        layers=[],
        upper="0",
        size=disk.SIZE,
    )
    power.save(description)
    return description


def find(names: LabNames, host: str) -> HostFile:
    """Return the description of a host of a lab that exists. Raise LabError if there is no such lab or host."""
    try:
        return power.load(names.folder(host))
    except OSError:
        raise LabError(
            _("There is no lab '%(name)s' with a host '%(host)s'.") % {"name": names.name, "host": host},
            hint=_("Start it: lpse-ops lab up --name %(name)s") % {"name": names.name},
        ) from None


def identify(host: HostFile, technician_key: str, files: Path) -> str:
    """Write to `files` the first layer of a new host's disk; return its public SSH host key.

    In it: the host's names, machine id, SSH host key, address, and the technician's key for root.
    """
    upper = files / "layers" / host.upper / "upper"
    etc, ssh, account = upper / "etc", upper / "etc/ssh", upper / "root/.ssh"
    ssh.mkdir(parents=True)
    account.mkdir(parents=True)
    for folder, mode in (
        (upper, 0o755),
        (etc, 0o755),
        (ssh, 0o755),
        (account.parent, 0o700),
        (account, 0o700),
    ):
        folder.chmod(mode)  # the upper layer's modes are those the host sees
    (etc / "hostname").write_text(host.name + "\n")
    (etc / "hosts").write_text(hosts_file())
    (etc / "machine-id").write_text(uuid.uuid4().hex + "\n")
    (etc / "lab-network").write_text(f"ADDRESS={host.address}/{host.prefix}\n")
    key = ssh / "ssh_host_ed25519_key"
    tools.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"root@{host.name}", "-f", str(key)])
    (account / "authorized_keys").write_text(technician_key.strip() + "\n")
    (account / "authorized_keys").chmod(0o600)
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def hosts_file() -> str:
    """Return /etc/hosts of every host: without its own name in it each sudo would wait for a look-up."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost"]
    lines += [f"{ADDRESSES[name]} {name}" for name in HOSTS]
    lines.append(f"{SERVICE_ADDRESS} {SERVICE_NAME}")
    return "\n".join(lines) + "\n"


def wait_ready(names: LabNames, host: HostFile, seconds: float = BOOT_SECONDS) -> None:
    """Wait until `host` lets people in over SSH. Raise LabError if it does not within `seconds`."""

    def ready() -> bool:
        leader = power.leader(host)
        # While systemd boots, /run/nologin keeps out everybody but root; sshd's first answer is not yet "ready".
        return bool(
            leader
            and network.banner(names, host.address).startswith("SSH-")
            and not Path(f"/proc/{leader}/root/run/nologin").exists()
        )

    if not wait_until(ready, seconds, every=0.05):
        console = Path(host.base, "console.log")
        raise LabError(
            _("%(host)s does not answer by SSH within %(seconds)d s.")
            % {"host": host.name, "seconds": scaled(seconds)},
            hint=_("Its last words are below; a slow machine needs LPSE_OPS_WAIT_SCALE=2 or more."),
            reasons=_last_lines(console),
        )


def _last_lines(console: Path) -> list[str]:
    """The end of a console's log, without its colours."""
    try:
        text = console.read_text(errors="replace")
    except OSError:
        return []
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\x00-\x08]", "", text)
    return [line for line in plain.splitlines() if line.strip()][-20:]


def command(host: HostFile, argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` as root inside `host`. Raise LabError if the host is off."""
    leader = power.leader(host)
    if not leader:
        raise LabError(
            _("%(host)s is off.") % {"host": host.name},
            hint=_("Switch it on: lpse-ops lab fault power-on %(host)s --name %(name)s")
            % {"host": host.name, "name": host.lab},
        )
    enter = ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
    enter += ["--root", "--wd", "--", "env", "-i", *(f"{k}={v}" for k, v in _HOST_ENVIRONMENT.items())]
    # In a cgroup of the host's: it freezes with the host, and dies with it.
    return power.in_group(power.group(host.lab, host.name, "exec"), [*enter, *argv])


def namespace_command(names: LabNames, host: str, argv: Sequence[str]) -> list[str]:
    """Return the command that runs `argv` of this machine in the network of a controller or BMC."""
    if not Path("/run/netns", names.namespace(host)).exists():
        raise LabError(
            _("There is no lab '%(name)s' with a host '%(host)s'.") % {"name": names.name, "host": host},
            hint=_("Start it: lpse-ops lab up --name %(name)s") % {"name": names.name},
        )
    return ["nsenter", f"--net=/run/netns/{names.namespace(host)}", "--", *argv]


def execute(
    argv: Sequence[str], given: str | bytes | None, timeout: float | None
) -> subprocess.CompletedProcess[str]:
    """Run a command, `given` on its stdin; return exit code, stdout and stderr (text).

    Raise LabError after `timeout` seconds (scaled), or if there is no such program.
    """
    data = given.encode() if isinstance(given, str) else given
    try:
        done = subprocess.run(
            list(argv),
            input=data if data is not None else b"",
            capture_output=True,
            check=False,
            timeout=scaled(timeout) if timeout else None,
        )
    except subprocess.TimeoutExpired:
        raise LabError(
            _("The command did not end within %(seconds)d s.") % {"seconds": scaled(timeout or 0)}
        ) from None
    except FileNotFoundError as error:
        raise LabError(_("There is no program '%(program)s'.") % {"program": error.filename}) from None
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )
