"""What may be replaced by a copy of the active node's database, and what may not."""

import pytest
from lpse_standby import Data, judge

OWN = "7123"
OTHER = "9999"


@pytest.mark.parametrize(
    ("data", "options", "what", "aside"),
    [
        (Data(None), {}, "clone", False),
        (Data(OTHER, pristine=True), {}, "clone", False),
        (Data(OTHER, pristine=True), {"replace": True}, "clone", False),
        (Data(OWN, standby=True, streaming=True), {}, "keep", False),
        (Data(OWN, standby=True, streaming=True), {"replace": True}, "keep", False),
        (Data(OWN, standby=True), {}, "keep", False),
        (Data(OWN, standby=True), {"replace": True}, "clone", True),
        (Data(OWN, standby=True), {"slot_lost": True}, "refuse", False),
        (Data(OWN, standby=True), {"slot_lost": True, "replace": True}, "clone", True),
        (Data(OWN), {}, "refuse", False),
        (Data(OWN), {"replace": True}, "clone", True),
        (Data(OTHER), {}, "refuse", False),
        (Data(OTHER, standby=True, streaming=True), {}, "refuse", False),
        (Data(OTHER), {"replace": True}, "clone", True),
        (Data(OWN, writing=True), {"replace": True}, "refuse", False),
        (Data(OTHER, pristine=True, writing=True), {"replace": True}, "refuse", False),
    ],
)
def test_the_verdict(data: Data, options: dict[str, bool], what: str, aside: bool) -> None:
    verdict = judge(data, OWN, **options)
    assert (verdict.what, verdict.aside) == (what, aside)
    assert verdict.reason
