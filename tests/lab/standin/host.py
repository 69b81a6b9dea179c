"""A private PostgreSQL cluster and instances of the stand-in, on 127.0.0.1, for tests."""

import contextlib
import http.client
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lpse_ops.waiting import wait_until
from tests.support.ports import free_port
from tests.support.postgres import as_postgres, programs

CONTEXT = "/eproc4"
SECRET, STATUS_KEY, PASSWORD = "s3cret-of-tests", "status-key-of-tests", "pass-of-tests"


class Cluster:
    """One cluster in a folder of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.bin = programs()
        self.folder, self.port, self.data = folder, port, folder / "data"

    def create(self) -> None:
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.configure(self.port)
        self.start()
        self.sql(f"CREATE ROLE epns LOGIN PASSWORD '{PASSWORD}'")
        self.sql("CREATE DATABASE epns_prod OWNER epns")

    def configure(self, port: int) -> None:
        text = (
            f"port = {port}\nlisten_addresses = '127.0.0.1'\n"
            f"unix_socket_directories = '{self.folder}'\nfsync = off\n"
        )
        subprocess.run(
            as_postgres(["tee", "-a", str(self.data / "postgresql.conf")]),
            input=text.encode(), stdout=subprocess.DEVNULL, check=True, cwd="/",
        )  # fmt: skip

    def copy(self, folder: Path, port: int) -> "Cluster":
        """Return a hot standby of this cluster, running."""
        other = Cluster(folder, port)
        self._run(
            "pg_basebackup",
            "-D",
            str(other.data),
            "-R",
            "-c",
            "fast",
            "--no-sync",
            "-d",
            self.dsn("postgres"),
        )
        other.configure(port)
        other.start()
        return other

    def dsn(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user=postgres dbname={database}"

    def start(self) -> None:
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", log, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", "immediate", "stop")

    def promote(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-w", "promote")

    def sql(self, statement: str, database: str = "postgres") -> str:
        argv = [
            str(self.bin / "psql"),
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            self.dsn(database),
            "-c",
            statement,
        ]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def app_sql(self, statement: str) -> str:
        return self.sql(statement, "epns_prod")

    def _run(self, program: str, *arguments: str) -> None:
        argv = as_postgres([str(self.bin / program), *arguments])
        # pg_ctl's server must not inherit a pipe, or reading it would never end.
        with tempfile.TemporaryFile() as out:
            code = subprocess.run(
                argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, check=False, cwd="/"
            ).returncode
            out.seek(0)
            assert code == 0, out.read().decode()


@contextlib.contextmanager
def cluster_folder() -> Iterator[Path]:
    """A folder that the postgres user can reach and write, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="lpse-standin-pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        yield folder
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Instance:
    """One unpacked and configured instance."""

    def __init__(
        self, golden: Path, home: Path, database_port: int, settings: Mapping[str, str] | None = None
    ) -> None:
        with tarfile.open(golden) as archive:
            archive.extractall(home, filter="data")
        self.folder = home / "production"
        self.documents = home / "file_prod"
        self.documents.mkdir()
        self.port = free_port()
        self.pid_file = self.folder / "server.pid"
        self.log = self.folder / "logs/system.out"
        self.environment = {"PATH": os.environ["PATH"], "TZ": "UTC"}
        needed = {
            "application.secret": SECRET,
            "application.statusKey": STATUS_KEY,
            "db.pass": PASSWORD,
            "db.url": f"jdbc:postgresql://127.0.0.1:{database_port}/epns_prod",
            "http.port": str(self.port),
            "attachments.path": str(self.documents),
            "standin.give_up_seconds": "0.5",
            "mail.smtp.host": "",
            "sikap.url": "",
        }
        self.set(needed | dict(settings or {}))

    def set(self, settings: Mapping[str, str]) -> None:
        conf = self.folder / "webapp/conf/application.conf"
        text = conf.read_text()
        for key, value in settings.items():
            text, count = re.subn(rf"(?m)^{re.escape(key)}=.*$", f"{key}={value}", text)
            assert count == 1, f"the golden copy's application.conf has no {key}"
        conf.write_text(text)

    def spse4(self, verb: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run spse4 to its end, output in a file (a server in the background would hold a pipe open)."""
        with tempfile.TemporaryFile("w+") as out:
            argv = [str(self.folder / "spse4"), verb]
            env = self.environment | environment
            done = subprocess.run(
                argv, stdout=out, stderr=subprocess.STDOUT, env=env, timeout=60, check=False
            )
            out.seek(0)
            return subprocess.CompletedProcess(argv, done.returncode, out.read(), "")

    def foreground(self, **environment: str) -> "subprocess.Popen[str]":
        argv = [str(self.folder / "spse4"), "run"]
        env = self.environment | environment
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)

    def start(self, **environment: str) -> None:
        result = self.spse4("start", **environment)
        assert result.returncode == 0, result.stdout
        assert wait_until(self.ready, 15, 0.02), self.log.read_text()

    def stop(self) -> None:
        if self.pid_file.exists():
            self.spse4("stop")

    def ready(self) -> bool:
        try:
            return self.get("/@status", Authorization=STATUS_KEY).status == 200
        except OSError:
            return False

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, None, headers)

    def ask(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, CONTEXT + path, body, dict(headers))  # type: ignore[arg-type]
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())

    def offer(self, tender: int, content: object, key: str | None = None, **headers: str) -> Answer:
        headers = {
            "X-Idempotency-Key": key or str(uuid.uuid4()),
            "Content-Type": "application/octet-stream",
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", f"/lelang/{tender}/penawaran", content, headers)

    def stored(self) -> list[Path]:
        """Every file of the document tree, unfinished ones included."""
        return sorted(path for path in self.documents.rglob("*") if path.is_file())


class Local:
    """This machine in the place of a host of the lab; its database is the cluster's."""

    def __init__(self, cluster: Cluster) -> None:
        self.environment = {
            **os.environ,
            "PGHOST": "127.0.0.1",
            "PGPORT": str(cluster.port),
            "PGUSER": "postgres",
        }

    def run(self, where: str, argv: Sequence[str], /, *, input: bytes | None = None) -> object:
        done = subprocess.run(
            argv, input=input, capture_output=True, env=self.environment, check=False, cwd="/"
        )
        return subprocess.CompletedProcess(argv, done.returncode, done.stdout.decode(), done.stderr.decode())

    def out(self, argv: Sequence[str]) -> str:
        return subprocess.run(
            argv, capture_output=True, text=True, env=self.environment, check=True, cwd="/"
        ).stdout
