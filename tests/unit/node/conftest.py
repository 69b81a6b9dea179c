"""A copy of lpse-node that sees a temporary root: its own files, and stand-ins for the programs it calls."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lpse_ops.waiting import scaled

FILES = Path(__file__).resolve().parents[3] / "roles" / "node" / "files"

CONF = """\
VERSION='0.1.0'
SITE='lab'
NODE='node1'
ROLE='node'
PEERS='node2=198.51.100.12 repository=198.51.100.30'
SERVICE_ADDRESS='198.51.100.10'
SERVICE_PREFIX='24'
SERVICE_INTERFACE='host0'
APP_UNIT='spse@production.service'
APP_URL='http://127.0.0.1:9/eproc4'
DOCUMENTS='/home/file/file_prod'
PG_VERSION='15'
PG_CLUSTER='main'
PG_DATA='/var/lib/postgresql/15/main'
PG_PORT='5432'
PG_UNIT='postgresql@15-main.service'
TIME_ZONE='Asia/Jakarta'
"""

# Answers for a voter what the file named as its address holds; NONCE in it is what was asked with.
SSH = """\
#!/bin/sh
for last; do :; done
read -r nonce
[ -e "$LPSE_NODE_ROOT/peers/$last" ] && sed "s/NONCE/$nonce/" "$LPSE_NODE_ROOT/peers/$last"
"""

NOTHING = "#!/bin/sh\nexit 0\n"


class Answer(NamedTuple):
    """What a verb ended with: its exit code, its lines of JSON, its raw output."""

    code: int
    lines: list[Any]
    text: str

    @property
    def json(self) -> Any:
        """The only line of the answer."""
        assert len(self.lines) == 1, self.text
        return self.lines[0]


class Helper:
    """lpse-node under a root of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.var = root / "var/lib/lpse-ops"
        self.run_folder = root / "run/lpse"
        self.started: list[subprocess.Popen[str]] = []
        for folder in (
            "etc/lpse-ops/voter",
            "bin",
            "peers",
            "var/lib/lpse-ops",
            "run",
            "var/lib/postgresql/15/main",
        ):
            (root / folder).mkdir(parents=True)
        (root / "etc/lpse-ops/node.conf").write_text(CONF)
        self.program("ssh", SSH)
        for name in ("systemctl", "arping", "ip", "wall", "journalctl", "systemd-run", "chronyc", "ss"):
            self.program(name, NOTHING)

    def program(self, name: str, text: str) -> None:
        """Put a stand-in for a program in front of the real one."""
        path = self.root / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a call."""
        return {"PATH": os.environ["PATH"], "LPSE_NODE_ROOT": str(self.root)}

    def popen(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a verb with pipes on all sides."""
        process = subprocess.Popen(
            [str(FILES / "lpse-node"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """End what a test left running, with its children."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
            process.wait(timeout=scaled(20))

    def __call__(self, *arguments: str, stdin: str = "") -> Answer:
        """Run a verb to its end."""
        process = self.popen(*arguments)
        text, _ = process.communicate(stdin, timeout=scaled(60))
        return Answer(process.returncode, [json.loads(line) for line in text.splitlines()], text)

    def peer(self, address: str, record: dict[str, Any] | None, /, **other: Any) -> None:
        """Let the voter at an address answer with a record; keywords replace parts of its answer."""
        name = {"198.51.100.11": "node1", "198.51.100.12": "node2", "198.51.100.30": "repository"}[address]
        answer = {
            "nonce": "NONCE",
            "site": "lab",
            "node": name,
            "record": record,
            "record_state": "ok" if record else "none",
            "active_now": False,
        }
        (self.root / "peers" / address).write_text(json.dumps(answer | other) + "\n")


def make_record(epoch: int = 1, active: str = "node1", /, **other: Any) -> dict[str, Any]:
    """Return a record as the controller writes it."""
    record = {
        "site": "lab",
        "system_id": "7301",
        "epoch": epoch,
        "active": active,
        "run": "r1",
        "witnessed": True,
    }
    return record | other


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Helper]:
    """node1 of the site `lab`, never used so far; its peers do not answer."""
    helper = Helper(tmp_path)
    yield helper
    helper.end()
