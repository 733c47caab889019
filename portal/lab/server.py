"""HTTPS for the lab: one port for each cloud, in one thread, TLS by a private CA."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import trustme
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from portal.lab.app import CloudApp, Front
from portal.lab.azure.front import AzureFront
from portal.lab.lab import AZURE, Lab
from portal.lab.prism.front import PrismFront

HOST = "127.0.0.1"
# Longer than a client of the product keeps a connection it does not use.
KEEP_ALIVE_SECONDS = 300


class _Protocol(H11Protocol):
    """A connection whose application can close it without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.app = partial(self.app, transport.abort)
        self.access_log = False
        super().connection_made(transport)


class LabServer:
    """Serves a lab on loopback, or at another ``host``'s address, while its context lasts.

    ``ports`` maps clouds to ports, any free one for those it does not name. ``directory``
    keeps the CA (``ca.pem``, ``ca.key``): the next server there is trusted by the same file.
    """

    def __init__(
        self,
        lab: Lab,
        ports: Mapping[str, int] | None = None,
        *,
        directory: Path,
        host: str = HOST,
    ) -> None:
        self.lab = lab
        self.host = host
        self.ports = dict(ports or {})
        self.directory = Path(directory)
        self.ca_path = self.directory / "ca.pem"
        self.ca_pem = ""
        self.urls: dict[str, str] = {}

    def __enter__(self) -> LabServer:
        """Serve. `OSError` when a port is taken; nothing is left open then."""
        ca = load_ca(self.directory)
        self.ca_pem = ca.cert_pem.bytes().decode()
        context = _tls(ca, self.host)
        sockets: dict[str, socket.socket] = {}
        try:
            for name in self.lab.sites:
                sockets[name] = _listen(self.host, self.ports.get(name, 0))
        except OSError:
            for opened in sockets.values():
                opened.close()
            raise
        for name, listening in sockets.items():
            self.urls[name] = f"https://{self.host}:{listening.getsockname()[1]}"
        is_up = threading.Event()
        serving = self._serve(sockets, context, is_up)
        self._thread = threading.Thread(target=asyncio.run, args=(serving,), name="lab")
        self._thread.start()
        is_up.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection at once, also those that wait for an answer."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(
        self,
        sockets: Mapping[str, socket.socket],
        context: ssl.SSLContext,
        is_up: threading.Event,
    ) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        state = ServerState()
        fronts: dict[str, Front] = {
            name: PrismFront(cluster) for name, cluster in self.lab.clusters.items()
        }
        fronts[AZURE] = AzureFront(self.lab.azure, self.urls[AZURE])
        servers = [
            await self._loop.create_server(
                _protocols(CloudApp(self.lab, fronts[name]), state),
                sock=listening,
                ssl=context,
            )
            for name, listening in sockets.items()
        ]
        is_up.set()
        await self._stop.wait()
        for server in servers:
            server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        while state.connections:
            await asyncio.sleep(0)


def _protocols(app: Callable[..., Any], state: ServerState) -> Callable[[], _Protocol]:
    """Return what makes the protocol of a new connection."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    config.load()
    return partial(_Protocol, config=config, server_state=state, app_state={})


def _listen(host: str, port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only where the protocol is named: 40 ms a call.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening


def load_ca(directory: Path) -> trustme.CA:
    """Return the CA kept in a folder, made there if there is none."""
    directory.mkdir(parents=True, exist_ok=True)
    certificate, key = directory / "ca.pem", directory / "ca.key"
    if certificate.exists() and key.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    ca = trustme.CA(organization_name="Standby lab")
    for path, pem in ((key, ca.private_key_pem), (certificate, ca.cert_pem)):
        # Whole or not at all: a run that was killed must not leave half a file.
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_bytes(pem.bytes())
        fresh.replace(path)
    certificate.chmod(0o644)
    return ca


def _tls(ca: trustme.CA, host: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = ca.issue_cert(host, "localhost")
    with tempfile.NamedTemporaryFile() as file:
        file.write(leaf.private_key_and_cert_chain_pem.bytes())
        file.flush()
        context.load_cert_chain(file.name)
    return context
