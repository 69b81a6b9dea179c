"""The service as the public meets it, through the service address; and one offer, written and read back.

The offer is the only thing a verification leaves behind. It is sent in a lab only (a real tender must not receive
invented offers), and it is marked: its key begins with MARK, its document with TEXT.
"""

import hashlib
import json
import re
import time
import uuid

from lpse_ops.i18n import _
from lpse_ops.verification.facts import find
from lpse_ops.verification.outside import Outside
from lpse_ops.verification.proxied import SECURITY_HEADERS, Lab

MARK = "76657269-6679"  # "verify", in ASCII
TEXT = "lpse-ops verification offer"
FOOTER = re.compile(r"SPSE v\d+\.\d+")


def look_at() -> str:
    return _("run `lpse-ops status`, then look at apache2 and the application there.")


def test_address_answers(outside: Outside) -> None:
    found = outside.door.get("/").status
    assert found, find(outside.active, _("the service address"), None, _("an answer"), look_at())


def test_redirect(outside: Outside) -> None:
    answer, path = outside.door.get("/"), outside.active.expected.context_path
    found = (answer.status, answer.headers.get("location", ""))
    good = found[0] in {301, 302, 303, 307, 308} and found[1].rstrip("/").endswith(path)
    assert good, find(outside.active, _("the answer to /"), found, f"302, {path}", look_at())


def test_page(outside: Outside) -> None:
    answer = outside.door.get(f"{outside.active.expected.context_path}/lelang")
    assert answer.status == 200, find(
        outside.active, _("the answer to /lelang"), answer.status, 200, look_at()
    )
    error = "terjadi error" in answer.text.lower()
    assert not error, find(
        outside.active, _("the page /lelang"), _("an error page"), _("the tenders"), look_at()
    )


def test_footer(outside: Outside) -> None:
    answer = outside.door.get(f"{outside.active.expected.context_path}/lelang")
    found = FOOTER.search(answer.text)
    assert found, find(outside.active, _("the version in the footer"), None, "SPSE v4...", look_at())


def test_notice_is_not_shown(outside: Outside) -> None:
    answer = outside.door.get(f"{outside.active.expected.context_path}/lelang")
    shown = 'id="lpse-notice"' in answer.text or answer.status == 503
    assert not shown, find(outside.active, _("the service"), _("the notice page"), _("SPSE"), look_at())


def test_status_needs_the_key(outside: Outside) -> None:
    found = outside.door.get(f"{outside.active.expected.context_path}/@status").status
    assert found in {401, 403, 404}, find(outside.active, _("/@status without a key"), found, 401)


def test_headers(outside: Outside) -> None:
    headers = outside.door.get(f"{outside.active.expected.context_path}/lelang").headers
    missing = [name for name in SECURITY_HEADERS if name not in headers]
    assert not missing, find(outside.active, _("the list of missing security headers"), missing, None)


def test_answers_soon(outside: Outside) -> None:
    began = time.monotonic()
    outside.door.ask("GET", f"{outside.active.expected.context_path}/lelang")
    found = round(time.monotonic() - began, 2)
    assert found < 10, find(outside.active, _("the time of a page in seconds"), found, "< 10", look_at())


def test_offer_is_kept(lab: Lab) -> None:
    outside = lab.outside
    tender = lab.open_tender()
    todo = _("make data with an open tender, then verify again.")
    assert tender, find(
        outside.active, _("the list of tenders that take offers"), None, _("one at least"), todo
    )
    key = f"{MARK}-4{str(uuid.uuid4())[15:]}"
    document = f"{TEXT} {key} {time.time():.0f}\n".encode() * 64
    path = f"{outside.active.expected.context_path}/lelang/{tender}/penawaran"
    headers = {"X-Idempotency-Key": key, "Content-Type": "application/octet-stream"}
    answer = outside.door.ask("POST", path, body=document, headers=headers)
    assert answer.status == 200, find(
        outside.active, _("the answer to an offer"), answer.status, 200, look_at()
    )
    receipt = json.loads(answer.text)
    digest = hashlib.sha256(document).hexdigest()
    assert receipt["sha256"] == digest, find(
        outside.active, _("the hash in the receipt"), receipt["sha256"], digest
    )
    back = outside.door.ask("GET", receipt["link"])
    found = hashlib.sha256(back.body).hexdigest()
    assert found == digest, find(
        outside.active, _("the hash of the offer read back"), found, digest, look_at()
    )
