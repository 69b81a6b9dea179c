"""The two locks of the door as the roles install them: each keeps PostgreSQL closed by itself."""

import configparser
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
import yaml

from lpse_ops.waiting import scaled
from tests.support.modules import ROOT
from tests.support.postgres import as_postgres, programs
from tests.unit.node.conftest import Helper

ROLE = ROOT / "roles" / "postgresql"
INSTALLED = "/usr/local/sbin/lpse-node"
OPEN_FILE = "/run/lpse/open.conf"


def drop_in() -> configparser.ConfigParser:
    """Return what the role puts beside the unit of PostgreSQL."""
    tasks = yaml.safe_load((ROLE / "tasks" / "cluster.yml").read_text())
    texts = [
        file["content"]
        for task in tasks
        for file in task.get("lpse_files", {}).get("files", [])
        if file["path"].endswith("{{ postgresql_unit }}.d/lpse-guard.conf")
    ]
    assert len(texts) == 1
    parsed = configparser.ConfigParser(strict=True, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(texts[0])
    return parsed


def start_condition(node: Helper) -> int:
    """Run what the unit runs before PostgreSQL, in the temporary root; return its exit code."""
    command = drop_in()["Service"].get("ExecStartPre", "")
    # `+`: with full privileges. A `-` would let a no pass.
    assert command.startswith(f"+{INSTALLED} "), f"no start condition asks the guard: {command!r}"
    return node(*command.removeprefix(f"+{INSTALLED} ").split()).code


def test_the_unit_does_not_start_before_the_guard_has_opened(node: Helper) -> None:
    node("epoch", "init", "--active", "node1")
    assert start_condition(node) != 0
    assert node("release", "--reason", "the other voters are switched off").code == 0
    node("guard", "run")  # it decides, and then finds no PostgreSQL to start here
    assert node("guard", "show").json["guard"]["state"] == "released"
    assert start_condition(node) == 0
    (node.run_folder / "open.conf").unlink()  # as after the power comes back: the folder is on tmpfs
    assert start_condition(node) != 0


class Server:
    """A PostgreSQL of this machine with the role's settings; the guard's file lies in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.open_file = folder, folder / "open.conf"
        self.data, self.conf = folder / "data", folder / "postgresql.conf"
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "--no-sync")

    def configure(self) -> None:
        """Write the template's text with its defaults; only the place of the guard's file is another one."""
        values = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text()) | {
            "postgresql_conf": str(self.folder)
        }
        template = (ROLE / "templates" / "lpse.conf.j2").read_text()
        text = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(template).render(values)  # noqa: S701
        self.conf.write_text(text.replace(OPEN_FILE, str(self.open_file)))
        self.conf.chmod(0o644)

    def start(self) -> tuple[int, str]:
        """Try to start it past every unit, as `pg_ctl` does; return the exit code and what it said."""
        here = f"-c config_file={self.conf} -c ssl=off -c listen_addresses='' -c unix_socket_directories={self.folder}"
        log = self.folder / "log"
        done = self._run(
            "pg_ctl", "-D", str(self.data), "-o", here, "-w", "-l", str(log), "start", check=False
        )
        return done, log.read_text() if log.exists() else ""

    def stop(self) -> None:
        """Stop it if it runs."""
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", str(self.data), "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        # The server must not inherit a pipe, or reading it would never end.
        with tempfile.TemporaryFile() as out:
            argv = as_postgres([str(programs() / program), *arguments])
            code = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                check=False,
                timeout=scaled(120),
            ).returncode
            out.seek(0)
            assert not check or code == 0, out.read().decode()
            return code


@pytest.fixture
def server() -> Iterator[Server]:
    """A cluster that was never started. Pytest's own folders are closed to the account postgres."""
    with tempfile.TemporaryDirectory(prefix="lpse-door-") as place:
        folder = Path(place)
        folder.chmod(0o777 if os.geteuid() == 0 else 0o700)
        made = Server(folder)
        made.configure()
        yield made
        made.stop()


def test_postgresql_does_not_start_without_the_file_of_the_guard(server: Server) -> None:
    code, said = server.start()
    assert code != 0, "PostgreSQL runs although the guard has not opened"
    assert str(server.open_file) in said
    server.open_file.write_text("# as the guard writes it\n")
    code, said = server.start()
    assert code == 0, said
