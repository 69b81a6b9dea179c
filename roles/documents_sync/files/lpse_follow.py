"""lpse-follow: on the standby, pulls the active node's documents and keeps samples of what the active node
has.

Settings: ``/etc/lpse-ops/follow.json``. Says how far it is in ``/run/lpse/documents.json`` after every pass.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from lpse_confirm import Confirmer
from lpse_link import Link, LinkError, ssh_command
from lpse_puller import Puller
from lpse_sampling import Ring, Sampler, take_forever

Json = dict[str, Any]

SETTINGS = "/etc/lpse-ops/follow.json"
EVERY_S = 0.5
RECONCILE_EVERY_S = 600.0
RETRY_S = 1.0
SHOW_EVERY_S = 0.5


class Board:
    """The file in which others read how far the follower is.

    Written in place, in one call and always of one size: the folder is root's, so no file can be put in its
    stead.
    """

    SIZE = 2048

    def __init__(self, path: str) -> None:
        """Given the path of the file, which exists."""
        self._file = os.open(path, os.O_WRONLY)

    def show(self, state: Json) -> None:
        """Given the state, write it."""
        text = json.dumps(state)
        if len(text) > self.SIZE:
            text = json.dumps(state | {"newest": None, "error": (state.get("error") or "")[:200]})
        os.pwrite(self._file, (text[:-1].ljust(self.SIZE - 2) + "}\n").encode(), 0)


class Follower:
    """Makes pass after pass over the active node's documents."""

    def __init__(self, puller: Puller, board: Board, confirmer: Confirmer | None = None) -> None:
        """Given what pulls, where to show it, and (synchronous replication) what confirms."""
        self.puller = puller
        self.board = board
        self.confirmer = confirmer
        self.wake = threading.Event()
        self._reconciled = float("-inf")
        self._shown = 0.0
        self._last_pass: float | None = None

    def run(self) -> None:
        """Follow for ever."""
        self.puller.sweep()
        while True:
            try:
                self.one_pass()
            except (LinkError, OSError) as error:
                self.show("waiting", f"{error}")
                time.sleep(RETRY_S)
            else:
                self.wake.wait(EVERY_S)
                self.wake.clear()

    def one_pass(self) -> None:
        """Learn what is new and copy it. Raise LinkError or OSError."""
        mark = self.confirmer.received if self.confirmer else None
        began = time.time()
        full = time.monotonic() - self._reconciled > RECONCILE_EVERY_S
        self.puller.learn(full=full)
        if full:
            self._reconciled = time.monotonic()
        while self.puller.missing:
            if time.monotonic() - self._shown > SHOW_EVERY_S:
                self.show("copying" if self._last_pass is None else "following")
            self.puller.fetch()
        self._last_pass = began
        # What changed while it was copied is an upload in progress: its row is not committed yet, so no
        # place waits for it.
        if self.confirmer is not None and mark is not None:
            self.confirmer.safe(mark)
        self.show("following")

    def show(self, state: str, error: str | None = None) -> None:
        """Given the state, show it with the figures."""
        self._shown = time.monotonic()
        puller = self.puller
        oldest = puller.oldest_missing()
        unreadable = next(iter(puller.unreadable.items()), None)
        if error is None and unreadable is not None:
            error = f"{unreadable[0]}: {unreadable[1]}"
        if error is None and self.confirmer is not None:
            error = self.confirmer.error
        self.board.show(
            {
                "state": state,
                "last_pass": self._last_pass,
                "files": puller.files,
                "behind": puller.behind,
                "behind_bytes": puller.behind_bytes,
                "newest": puller.summary.get("newest"),
                "lag_s": 0.0 if oldest is None else round(max(0.0, time.time() - oldest), 1),
                "error": error[:300] if error else None,
            }
        )


def _start(name: str, work: Any, *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, name=name, daemon=True).start()


def _fatal(hook: threading.ExceptHookArgs) -> None:
    """A part that died is not noticed by the others: end, and be started anew."""
    threading.__excepthook__(hook)
    sys.stderr.flush()
    os._exit(1)


def main(path: str = SETTINGS) -> None:
    """Given the path of the settings, follow."""
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    threading.excepthook = _fatal
    link = Link(ssh_command(settings["address"], settings["key"], settings["known_hosts"]))
    puller = Puller(link, settings["documents"])
    follower = Follower(puller, Board(settings["board"]))
    if settings["synchronous"]:
        follower.confirmer = Confirmer(settings["replication"], follower.wake.set)
        _start("confirm", follower.confirmer.run)
    sampler = Sampler(
        settings["monitor"],
        {settings["address"]: settings["active"]},
        lambda _address: link,
        shared=True,
        received=lambda: puller.files,
    )
    _start("sample", take_forever, sampler, Ring(settings["samples"]), time.sleep)
    follower.run()


if __name__ == "__main__":
    main()
