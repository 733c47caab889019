"""The ports by which clusters replicate: open, as between real ones. Nothing is said there.

On systems that give programs the whole of 127.0.0.0/8. Elsewhere, or where a port is taken,
it stays closed; what is emulated does not depend on it.
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

PORTS = (2009, 2020)
POLL_SECONDS = 0.05


class _Listener(socketserver.TCPServer):
    allow_reuse_address = True


@contextmanager
def open_ports(addresses: Iterable[str]) -> Iterator[int]:
    """Listen at both ports of these addresses; yield how many are open."""
    held: list[_Listener] = []
    for address in addresses:
        for port in PORTS:
            try:
                listener = _Listener((address, port), socketserver.BaseRequestHandler)
            except OSError:
                continue
            serve = partial(listener.serve_forever, poll_interval=POLL_SECONDS)
            threading.Thread(target=serve, daemon=True).start()
            held.append(listener)
    try:
        yield len(held)
    finally:
        for listener in held:
            listener.shutdown()
            listener.server_close()
