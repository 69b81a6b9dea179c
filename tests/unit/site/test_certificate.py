"""The certificate is checked against its key, its name and the calendar."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lpse_ops.site import Site, load_site
from lpse_ops.site.certificate import check_certificate
from tests.support.inventory import make_certificate, make_inventory


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return load_site(make_inventory(tmp_path / "office"))


def problems(site: Site, days: int = 0) -> list[str]:
    return [fault.problem for fault in check_certificate(site, datetime.now(UTC) + timedelta(days=days))]


def test_good(site: Site) -> None:
    assert problems(site) == []


def test_expired_and_not_yet(site: Site) -> None:
    assert "expired on" in problems(site, days=200)[0]
    assert "valid from" in problems(site, days=-10)[0]


def test_of_another_name_and_key(site: Site) -> None:
    certificate, _ = make_certificate("other.example.go.id")
    (site.folder / site.service.certificate).write_bytes(certificate)
    found = problems(site)
    assert "is not for spse.example.go.id" in found[0]
    assert "does not belong" in found[1]


def test_not_a_certificate(site: Site) -> None:
    (site.folder / site.service.certificate).write_text("hello")
    assert problems(site) == ["this is not a certificate in PEM form"]
