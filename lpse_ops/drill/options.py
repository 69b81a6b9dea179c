"""What a lab drill is asked to do."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DrillOptions:
    """Options of a lab drill.

    `name`: the lab's. `release`: Debian's (``12``, ``13``). `replication`: ``async`` or ``sync``. `writers`
    write concurrently for `before_s` seconds before the power cut and `after_s` after the service is back.
    With `cut_links_s` the nodes lose sight of each other that many seconds before the power goes.
    `start_seconds` is the stand-in's start-up time. `folder` takes the reports. With `keep` the lab stays up.
    """

    name: str = "drill"
    release: str = "12"
    replication: str = "async"
    writers: int = 4
    before_s: float = 30.0
    after_s: float = 30.0
    cut_links_s: float = 0.0
    start_seconds: float = 0.0
    tenders: int = 20
    documents: int = 200
    document_size: int = 16384
    folder: Path = Path("build/drill")
    keep: bool = False
