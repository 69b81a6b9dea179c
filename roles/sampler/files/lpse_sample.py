"""lpse-sample: on the repository, keeps samples of whichever node is active, so that a cut between the nodes
blinds nobody.

Settings: ``/etc/lpse-ops/sample.json``.
"""

import json
import time
from pathlib import Path

from lpse_link import Link, ssh_command
from lpse_sampling import Ring, Sampler, take_forever

SETTINGS = "/etc/lpse-ops/sample.json"


def main(path: str = SETTINGS) -> None:
    """Given the path of the settings, take samples for ever."""
    settings = json.loads(Path(path).read_text(encoding="utf-8"))
    links = {
        address: Link(ssh_command(address, settings["key"], settings["known_hosts"]))
        for address in settings["nodes"]
    }
    sampler = Sampler(settings["monitor"], settings["nodes"], links.__getitem__)
    take_forever(sampler, Ring(settings["samples"]), time.sleep)


if __name__ == "__main__":
    main()
