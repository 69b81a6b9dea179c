"""What the tests of the follower share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lpse_link import Link
from lpse_puller import Puller

from tests.support.documents import Pair, server_command


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two empty trees; ``there`` is served."""
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    link = Link(server_command(there))
    yield Pair(there, here, link, Puller(link, str(here)))
    link.close()
