"""What tests of the proxy share: the headers every answer must carry, and the lab's way to an open tender."""

import re
from dataclasses import dataclass

from lpse_ops.verification.outside import Outside

SECURITY_HEADERS = (
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
)
TENDER = re.compile(r"/lelang/(\d+)")
RECEIVING = "PEMASUKAN_PENAWARAN"


@dataclass(frozen=True)
class Lab:
    """The service address of a lab, where a test may send an offer."""

    outside: Outside
    name: str = "service"

    def may_take_offers(self) -> bool:
        """Tell whether an offer can be sent: a tender is open, or the pages cannot be read (which is a finding)."""
        try:
            return self.open_tender() is not None
        except AssertionError:
            return True

    def open_tender(self) -> str | None:
        """Return the id of a tender that takes offers now, None if the pages show none."""
        context = self.outside.active.expected.context_path
        page = self.outside.door.get(f"{context}/lelang").text
        rows = re.split(r"<tr|<li|<article", page)
        listed = [(found.group(1), RECEIVING in row) for row in rows if (found := TENDER.search(row))]
        # Those that the list itself shows as receiving come first; else the calendars tell.
        for tender, shown in sorted(listed, key=lambda each: not each[1])[:20]:
            if shown or RECEIVING in self.outside.door.get(f"{context}/lelang/{tender}/jadwal").text:
                return tender
        return None
