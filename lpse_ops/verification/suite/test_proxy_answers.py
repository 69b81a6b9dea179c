"""The proxy by what it does at the node's own address."""

import re
import ssl
import time
from typing import Any

from lpse_ops.i18n import _
from lpse_ops.verification.facts import Host, find
from lpse_ops.verification.outside import own_door
from lpse_ops.verification.plugin import cases
from lpse_ops.verification.proxied import SECURITY_HEADERS

TOO_LARGE = 1_000_000_000
OLD = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1}
NEW = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
DAYS_LEFT = 14


def security_headers(_host: Host) -> list[tuple[str, Any]]:
    return [(name, name) for name in SECURITY_HEADERS]


def versions(_host: Host) -> list[tuple[str, Any]]:
    old = [(name, (name, version, False)) for name, version in OLD.items()]
    return old + [(name, (name, version, True)) for name, version in NEW.items()]


def test_body_limit_in_practice(active: Host) -> None:
    path = f"{active.expected.context_path}/lelang"
    found = own_door(active).refuses_body_of(path, TOO_LARGE)
    assert found == 413, find(active, _("the answer to a body of 1 GB"), found, 413)


def test_certificate(node: Host) -> None:
    pem = own_door(node).certificate.read_text(encoding="utf-8")
    first = pem[: pem.index("-----END CERTIFICATE-----") + 25]
    same = own_door(node).get("/").certificate == ssl.PEM_cert_to_DER_cert(first)
    assert same, find(node, _("the certificate that is shown"), _("another one"), own_door(node).certificate)


def test_certificate_stays_valid(node: Host) -> None:
    ends = ssl.cert_time_to_seconds(str(own_door(node).get("/").validity["notAfter"]))
    found = int((ends - time.time()) / 86400)
    todo = _("get a new one, put it into artifacts/ and run `lpse-ops provision`.")
    assert found >= DAYS_LEFT, find(
        node, _("the validity of the certificate in days"), found, f">= {DAYS_LEFT}", todo
    )


@cases(versions)
def test_tls_version(node: Host, case: tuple[str, ssl.TLSVersion, bool]) -> None:
    name, version, wanted = case
    found = own_door(node).accepts_version(version)
    assert found == wanted, find(node, _("acceptance of TLS %(version)s") % {"version": name}, found, wanted)


def test_version_is_not_told(node: Host) -> None:
    found = own_door(node).get("/").headers.get("server", "")
    assert not re.search(r"\d", found), find(node, _("the header Server"), found, "Apache")


@cases(security_headers)
def test_header(node: Host, case: str) -> None:
    found = case in own_door(node).get("/").headers
    assert found, find(node, _("the header %(name)s") % {"name": case}, None, _("there"))


def test_redirect(active: Host) -> None:
    answer, path = own_door(active).get("/"), active.expected.context_path
    found = (answer.status, answer.headers.get("location", ""))
    assert found[1].rstrip("/").endswith(path), find(active, _("the answer to /"), found, f"302, {path}")


def test_trace_is_refused(node: Host) -> None:
    found = own_door(node).ask("TRACE", f"{node.expected.context_path}/lelang").status
    assert found in {403, 405, 501, 503}, find(node, _("the answer to TRACE"), found, 405)


def test_notice_is_reachable(node: Host) -> None:
    urls = node.see("proxy", "notice", "documents")
    assert urls, find(node, "ErrorDocument 503", None, _("the notice page"))
    answer = own_door(node).get(urls[0])
    good = answer.status == 200 and 'id="lpse-notice"' in answer.text
    assert good, find(node, _("the notice page at %(url)s") % {"url": urls[0]}, answer.status, 200)
