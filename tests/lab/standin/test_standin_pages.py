"""What visitors, operators and the outside world see of the stand-in."""

import http.server
import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lpse_ops.waiting import wait_until
from tests.lab.standin.conftest import NewInstance
from tests.lab.standin.host import STATUS_KEY, Cluster, Instance, cluster_folder
from tests.support.ports import free_port

pytestmark = pytest.mark.one_release

ERROR = "Maaf, terjadi error pada aplikasi SPSE"


def test_pages_have_the_versioned_footer_and_a_session(running: Instance) -> None:
    for path in ("", "/", "/lelang", "/lelang/1001/jadwal", "/lelang/1001/pengumumanlelang"):
        answer = running.get(path)
        assert answer.status == 200
        assert "SPSE v4.3u20191009" in answer.text
        assert "SPSE_SESSION=" in answer.headers["Set-cookie"]
        assert "Path=/eproc4" in answer.headers["Set-cookie"]
    again = running.get("/lelang", Cookie=running.get("/lelang").headers["Set-cookie"].split(";")[0])
    assert "Set-cookie" not in again.headers
    assert running.get("/public/stylesheets/spse.css").headers["Content-type"] == "text/css"


def test_the_list_links_to_every_tender_with_its_stage(running: Instance) -> None:
    text = running.get("/lelang").text
    assert '<tr data-lls="1001" data-akt="PEMASUKAN_PENAWARAN">' in text
    assert '<tr data-lls="1004" data-akt="PENGUMUMAN_LELANG">' in text
    assert '<tr data-lls="1005" data-akt="EVALUASI_PENAWARAN_KUALIFIKASI">' in text
    assert 'href="/eproc4/lelang/1001/jadwal"' in text
    assert "sedang berlangsung" in running.get("/lelang/1001/jadwal").text


def test_what_is_not_there_is_404(running: Instance) -> None:
    for path in (
        "/nothing",
        "/lelang/7/jadwal",
        "/dl/00",
        "/dl/" + "0" * 48,
        "/public/../conf/application.conf",
        "/@x",
    ):
        assert running.get(path, Authorization=STATUS_KEY).status == 404
    assert running.ask("GET", "/../", None, {}).status == 404
    assert running.get("/lelang/1001/penawaran").status == 405


def test_operators_pages_want_the_status_key(running: Instance) -> None:
    for headers in ({}, {"Authorization": "wrong"}):
        statuses = [
            running.get(path, **headers).status
            for path in ("/@status", "/@status.json", "/@checksum", "/metrics")
        ]
        assert statuses == [401, 401, 401, 403]
    statuses = [
        running.get(p, Authorization=STATUS_KEY).status
        for p in ("/@status", "/@status.json", "/@checksum", "/metrics")
    ]
    assert statuses == [200] * 4
    status = json.loads(running.get("/@status.json", Authorization=STATUS_KEY).text)
    assert status["database"] == status["database"] | {
        "connected": True,
        "read_only": False,
        "time_zone": "UTC",
    }


def test_the_stage_follows_the_zone_of_the_host(cluster: Cluster, new_instance: NewInstance) -> None:
    cluster.app_sql(
        "UPDATE jadwal SET dtj_tglawal = (now() AT TIME ZONE 'UTC') - interval '1 hour',"
        " dtj_tglakhir = (now() AT TIME ZONE 'UTC') + interval '1 hour' WHERE lls_id = 1008 AND akt_id = 5"
    )
    right, wrong = new_instance(), new_instance()
    right.start(TZ="UTC")
    wrong.start(TZ="Asia/Jakarta")
    assert right.offer(1008, b"in time").status == 200
    answer = wrong.offer(1008, b"in time")
    assert answer.status == 403
    assert "sudah berakhir" in answer.text


def test_an_error_has_a_code_that_the_log_repeats(running: Instance, cluster: Cluster) -> None:
    cluster.app_sql("ALTER TABLE jadwal RENAME TO jadwal_away")
    try:
        answer = running.get("/lelang")
    finally:
        cluster.app_sql("ALTER TABLE jadwal_away RENAME TO jadwal")
    assert answer.status == 500
    assert ERROR in answer.text
    code = answer.text.split("Kode Error : ")[1][:8]
    assert f"@{code} GET /eproc4/lelang" in running.log.read_text()
    assert running.get("/lelang").status == 200


def test_it_survives_a_restart_of_the_database(running: Instance, cluster: Cluster) -> None:
    assert running.offer(1001, b"before").status == 200
    cluster.stop()
    try:
        answer = running.get("/lelang")
        assert answer.status == 500
        assert ERROR in answer.text
        assert running.get("/@status", Authorization=STATUS_KEY).status == 200, (
            "the application itself still runs"
        )
    finally:
        cluster.start()
    assert running.offer(1001, b"after").status == 200


def test_it_starts_on_a_standby_and_writes_after_the_promotion(
    cluster: Cluster, new_instance: NewInstance
) -> None:
    with cluster_folder() as folder:
        standby = cluster.copy(folder, free_port())
        try:
            instance = new_instance(database_port=str(standby.port))
            instance.start()
            assert "PEMASUKAN_PENAWARAN" in instance.get("/lelang").text
            refused = instance.offer(1001, b"too early")
            assert (refused.status, ERROR in refused.text) == (500, True)
            assert instance.stored() == []
            migration = instance.spse4("migration")
            assert (migration.returncode, "read-only standby" in migration.stdout) == (1, True)
            standby.promote()
            assert instance.offer(1001, b"now").status == 200
            assert len(instance.stored()) == 1
        finally:
            standby.stop()


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield str(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_jobs_try_mail_and_the_central_service_again_and_again(new_instance: NewInstance) -> None:
    calls: list[str] = []
    mails: list[bytes] = []

    class Central(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    class Mail(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            in_data = False
            for line in self.rfile:
                if in_data and line != b".\r\n":
                    continue
                if in_data:
                    mails.append(line)
                in_data = line.startswith(b"DATA")
                self.wfile.write(
                    b"354 go\r\n"
                    if in_data
                    else b"221 bye\r\n"
                    if line.startswith(b"QUIT")
                    else b"250 ok\r\n"
                )

    with (
        serving(http.server.HTTPServer(("127.0.0.1", 0), Central)) as central,
        serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mail)) as mail,
    ):
        instance = new_instance(
            standin__job_seconds="1", mail__smtp__host="127.0.0.1", mail__smtp__port=mail,
            sikap__url=f"http://127.0.0.1:{central}/sikap",
        )  # fmt: skip
        began = time.monotonic()
        instance.start()
        assert wait_until(lambda: len(calls) >= 2 and len(mails) >= 2, 10, 0.02)
        assert time.monotonic() - began >= 1

        def counted() -> bool:
            jobs = json.loads(instance.get("/@status.json", Authorization=STATUS_KEY).text)["jobs"]
            return bool(jobs["mail"]["succeeded"] >= 2 and jobs["central"]["succeeded"] >= 2)

        assert wait_until(counted, 5, 0.05)
    assert calls[0] == "/sikap"


def test_jobs_that_fail_are_counted_too(new_instance: NewInstance) -> None:
    closed = str(free_port())
    instance = new_instance(
        mail__smtp__host="127.0.0.1", mail__smtp__port=closed, sikap__url=f"http://127.0.0.1:{closed}/sikap"
    )
    instance.start()

    def jobs() -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = json.loads(
            instance.get("/@status.json", Authorization=STATUS_KEY).text
        )["jobs"]
        return found

    assert wait_until(lambda: jobs()["central"]["attempted"] == 1, 10, 0.05)
    assert jobs() == {"mail": {"attempted": 1, "succeeded": 0}, "central": {"attempted": 1, "succeeded": 0}}
