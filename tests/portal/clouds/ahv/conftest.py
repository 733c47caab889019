"""A wire of canned answers, for what the lab never says: other servers, broken ones, odd JSON."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme

from portal.clouds.ahv.driver import AhvCloud
from portal.clouds.api import Connection


@dataclass
class Reply:
    """One answer. ``body`` is text as it goes on the wire, or JSON."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def payload(self) -> bytes:
        if isinstance(self.body, str):
            return self.body.encode()
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass
class Wire:
    """Answers in order, the last one for ever; remembers what was asked."""

    replies: list[Reply] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    connection: Connection = field(default_factory=lambda: Connection("ahv", "", {}))

    def answer(self, *replies: Reply) -> None:
        self.replies[:] = replies

    def take(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def _handler(wire: Wire) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(length)) if length else None
            wire.asked.append((self.command, self.path, dict(self.headers), sent))
            reply = wire.take()
            self.send_response(reply.status)
            headers = {"Content-Length": str(len(reply.payload))} | reply.headers
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.payload)
            self.close_connection = "Content-Length" in reply.headers

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, *args: object) -> None:
            """Stay quiet."""

    return Handler


@pytest.fixture(scope="module")
def _canned() -> Iterator[Wire]:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    wire = Wire()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(wire))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    wire.connection = Connection(
        kind="ahv",
        endpoint=f"https://127.0.0.1:{server.server_address[1]}",
        secrets={"user": "admin", "password": "pässword"},
        ca_pem=ca.cert_pem.bytes().decode(),
        read_timeout=2,
    )
    yield wire
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def wire(_canned: Wire) -> Wire:
    _canned.asked.clear()
    return _canned


@pytest.fixture
def ahv(wire: Wire) -> Iterator[AhvCloud]:
    cloud = AhvCloud(wire.connection)
    yield cloud
    cloud.close()
