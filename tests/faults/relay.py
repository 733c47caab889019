"""A relay in front of PostgreSQL that cuts connections: what a network or a restart does to one.

It speaks to both sides over Unix sockets and counts round trips. Cut before one, its statement
never reached the server; cut after, it was carried out, a commit included, and the answer lost.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

# First bytes of the client's messages that ask something: queries, simple and extended.
ASKS = frozenset(b"QPBDES")
SOCKET_NAME = ".s.PGSQL.5432"
When = Literal["before", "after"]


class Relay:
    """Listens in ``folder``, which is a HOST for libpq; ``upstream`` is the server's own folder."""

    def __init__(self, folder: Path, upstream: Path) -> None:
        self.folder = folder
        self._upstream = str(upstream / SOCKET_NAME)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET_NAME))
        self._listener.listen(64)
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._cut_in: int | None = None
        self._when: When = "before"
        self.trips = 0
        self.cuts = 0
        self.is_down = False
        self.refusals: SimpleQueue[None] = SimpleQueue()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(self, trip: int, when: When) -> None:
        """Cut the connection that makes the so many-th round trip from now on, counted from 0."""
        self.trips, self._cut_in, self._when = 0, trip, when

    def go_down(self) -> None:
        """Cut all connections and refuse new ones, until `come_back`."""
        with self._lock:
            self.is_down = True
            cut, self._open = self._open, []
        for each in cut:
            # Wakes who waits on it; its own thread closes it.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        self.is_down = False

    def close(self) -> None:
        self.go_down()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, suppress(OSError):
            with self._lock:
                if self.is_down:
                    self.refusals.put(None)
                    return
                self._open += [client, server]
            server.connect(self._upstream)
            while self._pass_on(client, server):
                pass

    def _pass_on(self, client: socket.socket, server: socket.socket) -> bool:
        """Carry what has come, either way; False when the connection is over."""
        ready, _, _ = select.select([client, server], [], [])
        if server in ready:
            answer = server.recv(1 << 20)
            client.sendall(answer)
            return bool(answer)
        asked = client.recv(1 << 20)
        cut = self._cut_by(asked)
        if not asked or cut == "before":
            return False
        server.sendall(asked)
        if cut == "after":
            server.recv(1 << 20)
            return False
        return True

    def _cut_by(self, asked: bytes) -> When | None:
        if not asked or asked[0] not in ASKS:
            return None
        with self._lock:
            trip, self.trips = self.trips, self.trips + 1
            if trip != self._cut_in:
                return None
            self._cut_in = None
            self.cuts += 1
            return self._when


@contextmanager
def relay_to(upstream: Path, folder: Path) -> Iterator[Relay]:
    """A relay in ``folder`` while the block runs."""
    relay = Relay(folder, upstream)
    try:
        yield relay
    finally:
        relay.close()
