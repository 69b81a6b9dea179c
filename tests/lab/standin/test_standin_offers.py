"""Offers: a document synced and a row committed before the 200, once an offer; and the download by link."""

import contextlib
import hashlib
import http.client
import io
import json
import os
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lpse_ops.drill.compare import Row, collect, compare
from lpse_ops.drill.durable import read_events
from lpse_ops.drill.ledger import Ledger
from lpse_ops.drill.writer import Pace, Target
from lpse_ops.errors import LabError
from lpse_ops.lab.standin import seed
from lpse_ops.waiting import wait_until
from tests.lab.standin.conftest import NewInstance
from tests.lab.standin.host import CONTEXT, Cluster, Instance, Local

pytestmark = pytest.mark.one_release

ERROR = "Maaf, terjadi error pada aplikasi SPSE"


def rows(cluster: Cluster, key: str) -> list[Row]:
    found = cluster.app_sql(
        "SELECT dok_kunci, att_sha256, att_path FROM dok_penawaran"
        " JOIN standin_attachment ON att_id = dok_id_attachment WHERE dok_kunci IS NOT NULL"
    )
    return [row for row in (Row(*line.split("|")) for line in found.splitlines()) if row.id == key]


def test_an_offer_is_a_document_and_a_row_and_comes_back_by_its_link(
    running: Instance, cluster: Cluster
) -> None:
    key, content = str(uuid.uuid4()), os.urandom(5000)
    answer = running.offer(1001, content, key)
    told = json.loads(answer.text)
    digest = hashlib.sha256(content).hexdigest()
    assert (answer.status, told["sha256"]) == (200, digest)
    (row,) = rows(cluster, key)
    day = time.strftime("%Y/%m/%d", time.gmtime())
    assert row == Row(key, digest, f"{day}/{key[:2]}/{key}.rhs")
    assert running.stored() == [running.documents / row.path]
    assert (running.documents / row.path).read_bytes() == content
    link = told["link"].removeprefix(CONTEXT)
    download = running.get(link)
    assert (download.status, download.body) == (200, content)


def test_the_same_key_again_is_the_same_offer(running: Instance, cluster: Cluster) -> None:
    key = str(uuid.uuid4())
    first, second = running.offer(1001, b"once", key), running.offer(1001, b"once", key)
    assert (second.status, second.body) == (200, first.body)
    assert running.offer(1001, b"other", key).status == 409
    assert (len(rows(cluster, key)), len(running.stored())) == (1, 1)


def test_the_same_key_again_restores_its_document(running: Instance, cluster: Cluster) -> None:
    """After a failover the row may be here and the document not: 200 must not be said of half an offer."""
    key = str(uuid.uuid4())
    first = running.offer(1001, b"whole", key)
    (document,) = running.stored()
    document.unlink()
    again = running.offer(1001, b"whole", key)
    assert (again.status, again.body) == (200, first.body)
    assert document.read_bytes() == b"whole"


def test_the_same_key_at_the_same_time_is_one_offer(running: Instance, cluster: Cluster) -> None:
    key = str(uuid.uuid4())
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: running.offer(1001, b"x" * 9000, key), range(8)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert (len(rows(cluster, key)), len(running.stored())) == (1, 1)


@pytest.mark.parametrize(
    "content", [b"", b"short", b"\r\n--x\r\r\n--\r\n-" * 20_000], ids=["empty", "short", "tricky"]
)
def test_a_form_with_a_file_works_as_well(running: Instance, cluster: Cluster, content: bytes) -> None:
    key = str(uuid.uuid4())
    head = (
        '--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n'
        '--xyz\r\nContent-Disposition: form-data; name="f"; filename="penawaran.rhs"\r\n\r\n'
    )
    body = head.encode() + content + b"\r\n--xyz--\r\n"
    answer = running.offer(1001, body, key, Content_Type="multipart/form-data; boundary=xyz")
    assert answer.status == 200, answer.text
    assert rows(cluster, key)[0].sha256 == hashlib.sha256(content).hexdigest()
    cut = running.offer(1001, body[:-9], None, Content_Type="multipart/form-data; boundary=xyz")
    assert cut.status == 400
    assert len(running.stored()) == 1


def test_what_is_refused_leaves_nothing(running: Instance) -> None:
    assert running.offer(1004, b"x").status == 403
    assert running.offer(1005, b"x").status == 403
    assert running.offer(7, b"x").status == 404
    assert running.offer(1001, b"x", "no-uuid").status == 400
    assert running.stored() == []


def test_a_body_that_breaks_off_is_no_offer(running: Instance, cluster: Cluster) -> None:
    key = str(uuid.uuid4())
    head = (
        f"POST {CONTEXT}/lelang/1001/penawaran HTTP/1.1\r\nHost: x\r\n"
        f"X-Idempotency-Key: {key}\r\nContent-Length: 100000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", running.port)) as raw:
        raw.sendall(head.encode() + b"x" * 50_000)
        assert wait_until(lambda: len(running.stored()) == 1, 10, 0.01), "the upload has begun"
        raw.shutdown(socket.SHUT_WR)
        # Which of the two depends on whether the JDK tells of the missing rest or keeps silent about it.
        assert raw.recv(200).split(b" ")[1] in {b"400", b"500"}
    assert running.stored() == []
    assert rows(cluster, key) == []


def test_uploads_are_streamed_up_to_the_limit(new_instance: NewInstance, cluster: Cluster) -> None:
    size, key = 120_000_000, str(uuid.uuid4())
    instance = new_instance(jvm__memory="-Xms16m -Xmx48m", standin__max_upload_bytes=str(size))
    instance.start()
    content = bytes(size)
    answer = instance.offer(1001, io.BytesIO(content), key, Content_Length=str(size))
    assert answer.status == 200
    assert rows(cluster, key)[0].sha256 == hashlib.sha256(content).hexdigest()
    assert instance.offer(1001, b"small").status == 200
    # It may close before it has read a body that it does not want.
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        assert instance.offer(1001, io.BytesIO(content + b"x"), Content_Length=str(size + 1)).status == 413
    assert wait_until(lambda: len(instance.stored()) == 2, 5)


def test_the_shipped_limit_is_800_mb(instance: Instance) -> None:
    assert (
        "\nstandin.max_upload_bytes=800000000\n"
        in (instance.folder / "webapp/conf/application.conf").read_text()
    )


def test_a_commit_that_surely_failed_takes_its_document_along(running: Instance, cluster: Cluster) -> None:
    key = str(uuid.uuid4())
    cluster.app_sql("ALTER TABLE dok_penawaran ADD CONSTRAINT never CHECK (false) NOT VALID")
    try:
        answer = running.offer(1001, b"refused", key)
    finally:
        cluster.app_sql("ALTER TABLE dok_penawaran DROP CONSTRAINT never")
    assert (answer.status, ERROR in answer.text) == (500, True)
    assert running.stored() == []
    assert running.offer(1001, b"refused", key).status == 200


def test_without_its_document_no_row(running: Instance, cluster: Cluster) -> None:
    key = str(uuid.uuid4())
    running.documents.rename(running.documents.with_name("away"))
    answer = running.offer(1001, b"nowhere", key)
    assert (answer.status, ERROR in answer.text) == (500, True)
    assert rows(cluster, key) == []
    assert not running.documents.exists(), "a missing tree is not made anew"


def test_a_damaged_document_is_not_served(running: Instance) -> None:
    link = json.loads(running.offer(1001, b"whole").text)["link"].removeprefix(CONTEXT)
    running.stored()[0].write_bytes(b"whale")
    answer = running.get(link)
    assert (answer.status, ERROR in answer.text) == (500, True)


def test_another_secret_makes_links_worthless(running: Instance) -> None:
    link = json.loads(running.offer(1001, b"linked").text)["link"].removeprefix(CONTEXT)
    assert running.get(link).status == 200
    running.stop()
    running.set({"application.secret": "another"})
    running.start()
    assert running.get(link).status == 404


def test_unfinished_uploads_are_cleared_at_start(instance: Instance) -> None:
    (instance.documents / ".upload").mkdir()
    (instance.documents / ".upload/half").touch()
    instance.start()
    assert instance.stored() == []


def test_generated_documents_are_loaded_once_and_can_be_downloaded(
    new_instance: NewInstance, cluster: Cluster
) -> None:
    cluster.sql("CREATE DATABASE epns_seed OWNER epns")
    instance = new_instance(db__url=f"jdbc:postgresql://127.0.0.1:{cluster.port}/epns_seed")
    assert instance.spse4("migration").returncode == 0
    tree = str(instance.documents)
    arguments = {"tenders": 5, "documents": 9, "document_size": 700}
    here = Local(cluster)
    seed.load(here, "here", database="epns_seed", tree=tree, user="root", **arguments)  # type: ignore[arg-type]
    with pytest.raises(LabError):
        seed.load(here, "here", database="epns_seed", tree=tree, user="root", **arguments)  # type: ignore[arg-type]
    text = cluster.sql("SELECT att_path, att_sha256, att_size FROM standin_attachment", "epns_seed")
    attachments = [line.split("|") for line in text.splitlines()]
    assert len(attachments) == len(instance.stored()) == 9
    for path, sha256, size in attachments:
        content = (instance.documents / path).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (sha256, int(size))
    assert collect(here.out, database="epns_seed", documents=tree).rows == (), (
        "generated offers are nobody's attempts"
    )
    instance.start(TZ="Asia/Jakarta")
    assert json.loads(instance.offer(1001, b"next").text)["dok_id"] == 10


def test_the_ledger_agrees_with_the_application_when_it_is_killed(
    running: Instance, cluster: Cluster, tmp_path: Path
) -> None:
    cluster.app_sql("UPDATE dok_penawaran SET dok_kunci = NULL")
    path = tmp_path / "ledger.jsonl"
    target = Target("127.0.0.1", "spse.lab.example", (1001, 1002, 1006), None, running.port)
    with Ledger(path, target, Pace(rate=40, again_s=0.05)) as ledger:
        assert wait_until(lambda: ledger.acknowledged >= 100, 20, 0.01)
        assert running.spse4("restart").returncode == 0
        back = time.time()
        assert wait_until(lambda: ledger.first_ack_after(back) is not None, 20, 0.01)
        goal = ledger.acknowledged + 100
        assert wait_until(lambda: ledger.acknowledged >= goal, 20, 0.01)
    found = collect(Local(cluster).out, documents=str(running.documents))
    result = compare(read_events(path), found.rows, found.documents)
    assert result.acknowledged == ledger.acknowledged >= 200
    assert (result.lost, result.unexpected, result.broken) == (0, 0, 0)
    assert len(found.rows) == result.acknowledged + result.recovered
