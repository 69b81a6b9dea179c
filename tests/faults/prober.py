"""Tries to write past everything, all the time: straight into each node's database and each node's application.

What the service address, the proxy and the voters promise is checked from behind: a loop on each node asks its own
database and its own application for a write, whatever the node believes itself to be. Every success is noted with the
time at which the host had it. A node that dies takes its loop along; one that comes back gets a new one.
"""

import contextlib
import subprocess
import threading
import time
from dataclasses import dataclass

from lpse_ops.errors import LabError
from lpse_ops.lab.lab import Lab

NODES = ("node1", "node2")
WHAT = ("database", "application")
# The application's, as every table must be: `lpse-ops verify` looks at it.
CREATE = (
    "CREATE TABLE IF NOT EXISTS lpse_prober (at timestamptz DEFAULT now(), node text);"
    " ALTER TABLE lpse_prober OWNER TO epns"
)
AGAIN_S = 0.5
ENDS_S = 10.0

# $1 the node's name, $2 a tender that takes offers, $3 a statement that writes. One line a success: TIME WHAT [ID].
LOOP = """
exec 2>/dev/null
export PGOPTIONS='-c statement_timeout=1000' PGCONNECT_TIMEOUT=1
while :; do
  if timeout 3 setpriv --reuid=postgres --regid=postgres --init-groups \\
    psql -qAtX -d epns_prod -c "$3" </dev/null >/dev/null; then
    echo "$(date +%s.%N) database"
  fi
  id=$(cat /proc/sys/kernel/random/uuid)
  echo "$(date +%s.%N) tried $id" # before it is sent: whoever is killed after that leaves no row that nobody knows
  code=$(curl --silent --output /dev/null --write-out '%{http_code}' --max-time 2 --request POST \\
    --header "X-Idempotency-Key: $id" --header 'Content-Type: application/octet-stream' --data-binary probe \\
    "http://127.0.0.1:9090/eproc4/lelang/$2/penawaran")
  [ "$code" != 200 ] || echo "$(date +%s.%N) application $id"
  read -r -t 0.15 _ # nothing comes: a short sleep that ends, with the loop, when the other end closes
  [ $? -gt 128 ] || exit 0
done
"""
INSERT = "INSERT INTO lpse_prober (node) VALUES ('{node}')"


@dataclass(frozen=True)
class Write:
    """A write that a node took: when (seconds since 1970), which node, its database or its application."""

    at: float
    node: str
    what: str


class Prober:
    """Probes every node of a lab from `with` to the end of it."""

    def __init__(self, lab: Lab, tender: int) -> None:
        self._lab = lab
        self._tender = tender
        self._halt = threading.Event()
        self._lock = threading.Lock()
        self._writes: list[Write] = []
        self._tried: dict[str, int] = dict.fromkeys(NODES, 0)
        self._ids: set[str] = set()
        self._loops: dict[str, subprocess.Popen[str]] = {}
        self._threads = [threading.Thread(target=self._watch, args=(node,), daemon=True) for node in NODES]

    def __enter__(self) -> "Prober":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_args: object) -> None:
        """End the loops by themselves, so that all they tried is known; kill only those on hosts that stand still."""
        self._halt.set()
        with self._lock:
            loops = list(self._loops.values())
        for loop in loops:
            self._close(loop)
        ends = time.monotonic() + ENDS_S
        for thread in self._threads:
            thread.join(max(0.0, ends - time.monotonic()))
        for loop in loops:
            loop.kill()

    @property
    def writes(self) -> list[Write]:
        """All writes that were taken so far, in the order of their time."""
        with self._lock:
            return sorted(self._writes, key=lambda write: write.at)

    @property
    def ids(self) -> set[str]:
        """The ids of all offers that were tried: rows with these are the prober's own."""
        with self._lock:
            return set(self._ids)

    @property
    def tried(self) -> dict[str, int]:
        """How often each node was tried."""
        with self._lock:
            return dict(self._tried)

    def _watch(self, node: str) -> None:
        while not self._halt.is_set():
            with contextlib.suppress(LabError):  # it may lose its power between two looks
                if self._lab.is_on(node):
                    self._probe(node)
            self._halt.wait(AGAIN_S)

    def _probe(self, node: str) -> None:
        words = [node, str(self._tender), INSERT.format(node=node)]
        command = self._lab.command(node, ["bash", "-c", LOOP, "probe", *words])
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as loop:
            with self._lock:
                self._loops[node] = loop
            if self._halt.is_set():  # between the look before and this line
                self._close(loop)
            for line in loop.stdout or ():
                self._note(node, line.split())

    @staticmethod
    def _close(loop: "subprocess.Popen[str]") -> None:
        if loop.stdin:
            with contextlib.suppress(OSError):  # it has ended
                loop.stdin.close()

    def _note(self, node: str, words: list[str]) -> None:
        if len(words) < 2:
            return
        with self._lock:
            if words[1] == "tried":
                self._tried[node] += 1
                self._ids.add(words[2])
            else:
                self._writes.append(Write(float(words[0]), node, words[1]))
