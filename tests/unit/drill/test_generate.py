"""Generated data: the same arguments, the same bytes; and a calendar that makes sense."""

import hashlib
import io
import itertools
import re
import subprocess
import sys
import tarfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lpse_ops.errors import UsageError
from lpse_ops.lab.standin.generate import DEFAULT_AT, main, open_tenders, write
from lpse_ops.lab.standin.rows import Request, make

AT = datetime(2026, 3, 2, 9, 0)


def made(request: Request) -> bytes:
    out = io.BytesIO()
    write(request, out)
    return out.getvalue()


def test_the_same_arguments_give_the_same_bytes_in_another_process() -> None:
    argv = [sys.executable, "-m", "lpse_ops.lab.standin.generate", "--tenders", "7", "--documents", "11"]
    argv += ["--document-size", "300", "--seed", "5"]
    result = subprocess.run(argv, capture_output=True, check=True)
    assert result.stdout == made(Request(7, 11, 300, 5, DEFAULT_AT))


def test_another_seed_gives_other_data() -> None:
    assert made(Request(7, 11, 300, 5, AT)) != made(Request(7, 11, 300, 6, AT))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.integers(0, 40), st.integers(0, 200), st.integers(0, 9))
def test_every_document_has_its_row_and_hash(tenders: int, documents: int, size: int, seed: int) -> None:
    request = Request(tenders, documents, size, seed, AT)
    plan = make(request)
    rows = {row[2]: row[4] for row in plan.rows["standin_attachment"]}
    found = {document.path: document.content for document in plan.documents()}
    assert len(found) == documents
    assert {path: hashlib.sha256(content).hexdigest() for path, content in found.items()} == rows
    assert all(len(content) == size for content in found.values())
    bidders = {row[0] for row in plan.rows["peserta"]}
    assert {row[1] for row in plan.rows["dok_penawaran"]} <= bidders


@given(st.integers(1, 60), st.integers(0, 9))
def test_open_tenders_take_offers_from_two_days_before_to_two_weeks_after(tenders: int, seed: int) -> None:
    plan = make(Request(tenders, 0, 0, seed, AT))
    spans = {row[1]: (row[4], row[5]) for row in plan.rows["jadwal"] if row[2] == 5}
    opened = [
        tender
        for tender, (begins, ends) in spans.items()
        if isinstance(begins, datetime) and isinstance(ends, datetime) and begins <= AT < ends
    ]
    assert opened == open_tenders(tenders)
    for tender in opened:
        begins, ends = spans[tender]
        assert isinstance(begins, datetime)
        assert isinstance(ends, datetime)
        assert (AT - begins).days >= 2
        assert (ends - AT).days >= 14


def test_stages_chain_and_offers_fall_into_theirs() -> None:
    plan = make(Request(10, 200, 1, 1, AT))
    calendar: dict[object, list[tuple[object, ...]]] = {}
    for row in plan.rows["jadwal"]:
        calendar.setdefault(row[1], []).append(row)
    for stages in calendar.values():
        assert all(one[5] == other[4] for one, other in itertools.pairwise(stages))
    tender_of = {row[0]: row[1] for row in plan.rows["peserta"]}
    for row in plan.rows["dok_penawaran"]:
        span = next(stage for stage in calendar[tender_of[row[1]]] if stage[2] == 5)
        assert str(span[4]) <= str(row[3]) < str(span[5])
        assert str(row[3]) <= str(AT)


def test_the_tar_holds_the_documents_before_the_rows() -> None:
    with tarfile.open(fileobj=io.BytesIO(made(Request(3, 4, 10, 1, AT)))) as archive:
        names = archive.getnames()
    assert names[-1] == "seed.sql"
    pattern = r"documents/\d{4}/\d\d/\d\d/([0-9a-f]{2})/\1[0-9a-f-]{34}\.rhs"
    assert all(re.fullmatch(pattern, name) for name in names[:-1])


@pytest.mark.parametrize("numbers", [(0, 1, 1), (1, -1, 1), (1, 1, -1)])
def test_senseless_numbers_are_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError):
        make(Request(*numbers, 1, AT))


def test_the_command_refuses_them_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--tenders", "0", "-o", str(tmp_path / "x")])
    assert ended.value.code == 2
    assert "tender" in capsys.readouterr().err
