"""No driver follows a redirect: what it carries would go to wherever a machine points."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from portal.clouds import connect
from portal.clouds.ahv.agent import GuestAgents
from portal.clouds.api import CloudError, Connection

ID = "11111111-2222-4333-8444-555555555555"
AUTHORITY = trustme.CA()


@dataclass
class Sender:
    """Sends everybody on to ``to``; without one, answers nothing found."""

    to: str = ""
    status: int = 307
    url: str = ""
    # Whether it gives tokens to whoever asks, as Azure's authority does.
    gives_tokens: bool = False
    # What a list has as the address of its next page.
    next_page: str = ""
    came: list[str] = field(default_factory=list)

    def told(self, path: str) -> bytes:
        """What it answers itself."""
        if self.gives_tokens and path.endswith("openid-configuration"):
            names = ("issuer", "authorization_endpoint", "token_endpoint")
            return json.dumps({name: f"{self.url}/{ID}/{name}" for name in names}).encode()
        if self.gives_tokens and path.endswith("token_endpoint"):
            token = {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}
            return json.dumps(token).encode()
        if self.next_page:
            return json.dumps({"value": [], "nextLink": self.next_page}).encode()
        return b""


@contextmanager
def sending(to: str = "", status: int = 307, *, gives_tokens: bool = False) -> Iterator[Sender]:
    sender = Sender(to, status, gives_tokens=gives_tokens)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sender.came.append(f"{self.command} {self.path}")
            told = sender.told(self.path)
            self.send_response(200 if told else sender.status if sender.to else 404)
            if sender.to and not told:
                self.send_header("Location", f"{sender.to}{self.path}")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test looks at what came."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    sender.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield sender
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def connection(kind: str, url: str) -> Connection:
    secrets = {
        "ahv": {"user": "admin", "password": "p", "agent_endpoint": url, "agent_token": "t"},
        "azure": {
            "tenant": ID, "client_id": ID, "client_secret": "s", "subscription": ID,
            "authority": url,
        },
    }  # fmt: skip
    pem = AUTHORITY.cert_pem.bytes().decode()
    return Connection(kind=kind, endpoint=url, secrets=secrets[kind], ca_pem=pem, read_timeout=5.0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("kind", "gives_tokens"), [("ahv", False), ("azure", False), ("azure", True)]
)
def test_a_cloud_that_points_elsewhere_is_not_followed(
    kind: str, gives_tokens: bool, status: int
) -> None:
    with sending() as target, sending(target.url, status, gives_tokens=gives_tokens) as first:
        cloud = connect(connection(kind, first.url))
        with pytest.raises(CloudError):
            cloud.identify()
        cloud.close()
        assert first.came
        assert target.came == []


def test_a_gateway_that_points_elsewhere_is_not_followed() -> None:
    with sending() as target, sending(target.url) as first:
        agents = GuestAgents(connection("ahv", first.url))
        with pytest.raises(CloudError):
            agents.begin(ID, "token")
        agents.close()
        assert first.came
        assert target.came == []


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_next_page_elsewhere_is_sent_nothing(scheme: str) -> None:
    """By https its address is judged as any; by http the SDK itself lets no token go."""
    with socket.create_server(("127.0.0.2", 0)) as elsewhere, sending(gives_tokens=True) as first:
        first.next_page = f"{scheme}://127.0.0.2:{elsewhere.getsockname()[1]}/next"
        given = replace(connection("azure", first.url), objection=_all_but_the_first)
        cloud = connect(given)
        with pytest.raises(CloudError):
            cloud.inventory()
        cloud.close()
        elsewhere.setblocking(False)
        with suppress(BlockingIOError):
            reached, _ = elsewhere.accept()
            with reached:
                assert reached.recv(1) == b""


def _all_but_the_first(address: str) -> str:
    return "" if address == "127.0.0.1" else "another machine"
