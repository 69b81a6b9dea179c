"""The management controller (BMC) of a node: OpenIPMI's simulator, a real IPMI 2.0 server that turns real power."""

import shlex
import shutil
import sys
from pathlib import Path

from lpse_ops.errors import LabError
from lpse_ops.i18n import _
from lpse_ops.lab import network, power
from lpse_ops.lab.names import ADDRESSES, BMCS, LabNames
from lpse_ops.waiting import wait_until

USER = "lpse"
PORT = 623
CIPHER_SUITE = 3
_EMULATION = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
sensor_add 0x20 0 1 1 1
sensor_set_value 0x20 0 1 0x19 0
mc_enable 0x20
"""


def create(names: LabNames, node: str, password: str) -> None:
    """Write the configuration of the BMC of `node`; `password` is that of its user ``lpse``."""
    folder = names.bmc_folder(node)
    folder.mkdir(parents=True, mode=0o700)
    script = Path(power.__file__).resolve()
    # -I -S: nothing of a virtual environment or of the user's is imported; it starts in some 30 ms.
    interpreter = str(Path(sys.executable).resolve())
    control = shlex.join([interpreter, "-I", "-S", str(script), str(names.folder(node))])
    (folder / "lan.conf").write_text(
        f'name "{node}"\n'
        "set_working_mc 0x20\n"
        "  startlan 1\n"
        f"    addr {ADDRESSES[BMCS[node]]} {PORT}\n"
        "    priv_limit admin\n"
        "    allowed_auths_callback none md5\n"
        "    allowed_auths_user none md5\n"
        "    allowed_auths_operator none md5\n"
        "    allowed_auths_admin none md5\n"
        f"    guid {names.machine(node)[:12].encode().hex().ljust(32, '0')}\n"
        "  endlan\n"
        f'  chassis_control "{control}"\n'
        f'  user 2 true "{USER}" "{password}" admin 10 none md5\n'
    )
    (folder / "lan.conf").chmod(0o600)
    (folder / "node.emu").write_text(_EMULATION)
    (folder / "state").mkdir()


def start(names: LabNames, node: str) -> None:
    """Start the BMC of `node` in its own namespace. Raise LabError if it does not listen within 10 s."""
    folder, bmc = names.bmc_folder(node), BMCS[node]
    argv = ["nsenter", f"--net=/run/netns/{names.namespace(bmc)}", "--", "ipmi_sim", "-n"]
    argv += ["-c", str(folder / "lan.conf"), "-f", str(folder / "node.emu"), "-s", str(folder / "state")]
    power.launch(group(names, bmc), argv, folder / "log")
    if not wait_until(lambda: _listening(names, bmc), 10, every=0.02):
        raise LabError(
            _("The BMC of %(node)s does not start.") % {"node": node},
            hint=_("Try it by hand: %(command)s") % {"command": shlex.join(argv)},
            reasons=(folder / "log").read_text(errors="replace").splitlines()[-10:],
        )


def stop(names: LabNames, node: str) -> None:
    """End the BMC of `node`; the node goes on."""
    power.kill_group(group(names, BMCS[node]))


def reset(names: LabNames, node: str) -> None:
    """Give the BMC of `node` the state of a new one: fresh cable, empty event log."""
    stop(names, node)
    shutil.rmtree(names.bmc_folder(node) / "state", ignore_errors=True)
    (names.bmc_folder(node) / "state").mkdir()
    network.connect(names, BMCS[node])
    start(names, node)


def group(names: LabNames, bmc: str) -> str:
    """Return the cgroup of a BMC."""
    return power.group(names.name, bmc)


def running(names: LabNames, node: str) -> bool:
    """Return whether the BMC of `node` runs."""
    return bool(power.processes(group(names, BMCS[node])))


def _listening(names: LabNames, bmc: str) -> bool:
    """Whether UDP port 623 is bound in the BMC's namespace: its processes see the table of their own network."""
    wanted = f":{PORT:04X} "
    for pid in power.processes(group(names, bmc)):
        try:
            if Path(f"/proc/{pid}/comm").read_text().strip() != "ipmi_sim":
                continue
            return wanted in Path(f"/proc/{pid}/net/udp").read_text()
        except OSError:
            continue
    return False
