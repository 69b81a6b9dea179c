"""A real agent of fence-agents, fence_redfish, against a small server that speaks the requests it makes."""

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from lpse_ops.observe import power
from tests.support.inventory import make_certificate
from tests.unit.observe.test_power import SECRET, site

SYSTEM = "/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
ALLOWED = "Basic " + base64.b64encode(f"lpse:{SECRET}".encode()).decode()


class Board(BaseHTTPRequestHandler):
    """One system whose power is `state`; `asked` holds the orders it was given."""

    state = "On"
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        reset = {"#ComputerSystem.Reset": {"target": RESET}}
        known = {
            "/redfish/v1": {"Systems": {"@odata.id": "/redfish/v1/Systems"}},
            "/redfish/v1/Systems": {"Members": [{"@odata.id": SYSTEM}]},
            SYSTEM: {"PowerState": type(self).state, "Actions": reset},
        }
        if self.headers["Authorization"] != ALLOWED:
            self._say(401, {"error": {"message": "Unauthorized"}})
        elif self.path.rstrip("/") in known:
            self._say(200, known[self.path.rstrip("/")])
        else:
            self._say(404, {})

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["ResetType"]
        if self.headers["Authorization"] == ALLOWED and self.path == RESET:
            type(self).asked.append(order)
            type(self).state = {"ForceOff": "Off", "On": "On"}[order]
        self._say(204, {})

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on stderr."""

    def _say(self, code: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The port of a board whose power is on."""
    Board.state, Board.asked = "On", []
    certificate, key = make_certificate("localhost")
    (tmp_path / "pem").write_bytes(key + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    with ThreadingHTTPServer(("127.0.0.1", 0), Board) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def redfish(port: int, user: str = "lpse") -> dict[str, object]:
    options = {"ip": "127.0.0.1", "ipport": str(port), "username": user, "ssl-insecure": "1"}
    return {"method": "agent", "agent": "fence_redfish", "options": options}


def test_power_is_read_and_cut(port: int) -> None:
    there = site(redfish(port))
    assert power.read_power(there, "node1", deadline_s=30) == "on"
    power.cut_power(there, "node1", deadline_s=30)
    assert Board.asked == ["ForceOff"]
    assert power.read_power(there, "node1", deadline_s=30) == "off"


def test_a_board_that_does_not_admit_us_is_no_reading(port: int) -> None:
    read = power.reading(site(redfish(port, "somebody")), "node1", deadline_s=30)
    assert read.state is None
    assert read.error is not None
    assert SECRET not in read.error


def test_a_board_that_is_not_there_is_unreachable() -> None:
    assert power.reading(site(redfish(1)), "node1", deadline_s=30).kind == "unreachable"
