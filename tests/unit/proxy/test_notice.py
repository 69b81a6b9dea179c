"""The proxy as the role configures it, run by the Apache of this machine: the notice while the site is closed."""

import http.client
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jinja2
import pytest
import yaml

from lpse_ops.waiting import scaled, wait_until
from tests.support.modules import ROOT
from tests.support.ports import free_port

ROLE = ROOT / "roles" / "web_proxy"
NAME = "spse.example.go.id"
# What Debian has switched on without being asked, as far as the site's file needs it.
PRESENT = (
    "mpm_event",
    "authz_core",
    "alias",
    "filter",
    "mime",
    "reqtimeout",
    "setenvif",
    "socache_shmcb",
    "dir",
)


class Proxy:
    """Apache with the role's site; `passed_on` holds the paths that reached the application."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.flag = folder, folder / "serving"
        self.port = free_port()
        self.passed_on: list[str] = []
        self.backend = self._application()
        self._certificate()
        self._write()
        program = shutil.which("apache2", path="/usr/sbin:/usr/bin")
        if program is None:
            pytest.fail("Apache is missing: apt-get install apache2-bin")
        self.process = subprocess.Popen(
            [program, "-X", "-f", str(folder / "apache.conf")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"APACHE_LOG_DIR": str(folder)},
        )
        assert wait_until(self._answers, 20), (folder / "error.log").read_text()

    def get(self, path: str) -> tuple[int, http.client.HTTPMessage, str]:
        """Ask for a path; return status, headers, body."""
        context = ssl._create_unverified_context()  # noqa: S323  (a certificate made a second ago)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=scaled(10), context=context)
        try:
            connection.request("GET", path, headers={"Host": NAME})
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read().decode()
        finally:
            connection.close()

    def end(self) -> None:
        """Stop both servers."""
        self.process.terminate()
        self.process.wait(timeout=scaled(20))
        self.backend.shutdown()
        self.backend.server_close()

    def _answers(self) -> bool:
        try:
            self.get("/.lpse/notice.html")
        except (OSError, http.client.HTTPException):
            return False
        return True

    def _application(self) -> ThreadingHTTPServer:
        passed_on = self.passed_on

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                passed_on.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"the application")

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def _certificate(self) -> None:
        files = ["-keyout", str(self.folder / "service.key"), "-out", str(self.folder / "service.crt")]
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ]
        subprocess.run([*command, "-subj", f"/CN={NAME}", *files], check=True, capture_output=True)

    def _write(self) -> None:
        values = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text()) | {
            "web_proxy_server_name": NAME,
            "web_proxy_title": "LPSE Contoh",
            "web_proxy_backend": f"http://127.0.0.1:{self.backend.server_port}",
            "web_proxy_serving_flag": str(self.flag),
        }
        templates = jinja2.Environment(  # noqa: S701  (Ansible does not escape either)
            loader=jinja2.FileSystemLoader(ROLE / "templates"),
            trim_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        site = templates.get_template("site.conf.j2").render(values)
        for installed, here in (
            ("*:443", f"127.0.0.1:{self.port}"),
            ("/etc/ssl/certs/lpse-service.crt", self.folder / "service.crt"),
            ("/etc/ssl/private/lpse-service.key", self.folder / "service.key"),
            ("/var/www/lpse-notice", self.folder / "notice"),
        ):
            assert installed in site
            site = site.replace(installed, str(here))
        (self.folder / "notice").mkdir()
        (self.folder / "notice" / "notice.html").write_text(
            templates.get_template("notice.html.j2").render(values)
        )
        modules = (*PRESENT, *yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["web_proxy_modules"])
        lines = [
            *(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules),
            f"ServerRoot {self.folder}",
            f"PidFile {self.folder}/pid",
            f"DefaultRuntimeDir {self.folder}",
            f"ErrorLog {self.folder}/error.log",
            "TypesConfig /dev/null",
            'LogFormat "%h %r %>s" combined',
            f"Listen 127.0.0.1:{self.port} https",
        ]
        (self.folder / "apache.conf").write_text("\n".join([*lines, site]))


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    """A proxy before a living application; the site is closed."""
    made = Proxy(tmp_path)
    yield made
    made.end()


@pytest.mark.parametrize("path", ["/", "/eproc4", "/eproc4/lelang/1", "/anything"])
def test_a_closed_site_answers_with_the_notice_and_passes_nothing_on(proxy: Proxy, path: str) -> None:
    status, headers, body = proxy.get(path)
    assert status == 503
    assert headers["Retry-After"] == "300"
    assert headers["Cache-Control"] == "no-store"
    assert 'id="lpse-notice"' in body
    assert "LPSE Contoh" in body
    assert proxy.passed_on == []


def test_the_flag_opens_and_closes_without_a_reload(proxy: Proxy) -> None:
    proxy.flag.touch()
    status, headers, body = proxy.get("/eproc4/lelang/1")
    assert (status, body, proxy.passed_on) == (200, "the application", ["/eproc4/lelang/1"])
    assert "Retry-After" not in headers
    proxy.flag.unlink()
    assert proxy.get("/eproc4/lelang/1")[0] == 503


def test_an_application_that_does_not_answer_is_the_notice_too(proxy: Proxy) -> None:
    proxy.flag.touch()
    proxy.backend.shutdown()
    proxy.backend.server_close()
    status, headers, body = proxy.get("/eproc4")
    assert (status, headers["Retry-After"]) == (503, "300")
    assert 'id="lpse-notice"' in body
