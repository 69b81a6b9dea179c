"""A pair of document trees with a pipe between them in place of SSH."""

import sys
from dataclasses import dataclass
from pathlib import Path

from lpse_link import Link
from lpse_puller import Puller

SERVER = Path(__file__).parents[2] / "roles" / "documents_sync" / "files"


@dataclass
class Pair:
    """The active node's tree, this node's tree, and what pulls from one to the other."""

    there: Path
    here: Path
    link: Link
    puller: Puller

    def pass_(self, full: bool = False) -> None:
        """One pass, as lpse-follow makes it."""
        self.puller.learn(full=full)
        while self.puller.missing:
            self.puller.fetch()


def server_command(root: Path) -> list[str]:
    """Return a command that serves `root` on a pipe, as sshd would start it."""
    program = f"import sys; sys.path.insert(0, {str(SERVER)!r}); import lpse_documents_server as s; "
    return [sys.executable, "-c", program + f"s.serve({str(root)!r}, sys.stdin.buffer, sys.stdout.buffer)"]
