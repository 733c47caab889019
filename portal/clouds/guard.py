"""The last word on where a connection goes: the address that was really reached.

A name that was harmless when it was saved may stand for another machine later (DNS
rebinding), so the peer of every new connection is judged before a byte is sent to it. And the
last place to stop a call that must not be made any more (`portal.clouds.fence`).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from portal.clouds import fence
from portal.clouds.api import CloudRefused

# Given the number of a peer, says what is wrong with it ("this machine (loopback)"), or "".
Objection = Callable[[str], str]
# Is shown each new connection that passed.
Watch = Callable[[socket.socket], None]


def nobody(reached: socket.socket) -> None:
    """Watch nothing."""


class WrongPlace(CloudRefused):
    """The name of an endpoint stands for a machine that no endpoint may be."""


def judge(host: str, reached: socket.socket, objection: Objection) -> None:
    """Close a new connection and raise WrongPlace if there is an objection to its peer."""
    address = str(reached.getpeername()[0]).partition("%")[0]
    if reason := objection(address):
        reached.close()
        raise WrongPlace(
            f"{host} stands for {address}, which is {reason}. Nothing was sent there.",
            advice="Give the cloud account an address that is another machine's.",
        )


class GuardedAdapter(HTTPAdapter):
    """Mount it on a session, and no connection of that session passes the objection.

    What its peer does not acknowledge in ``unacknowledged`` seconds is given up; else the kernel
    would go on for a quarter of an hour, and deliver it when nobody expects it any more.
    """

    def __init__(
        self,
        objection: Objection,
        watch: Watch = nobody,
        *,
        unacknowledged: float = 0.0,
        **options: Any,
    ) -> None:
        self._objection, self._watch = objection, watch
        self._unacknowledged = unacknowledged
        super().__init__(**options)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
        """Send it, unless it may change something and must not any more: `fence.Withheld`."""
        fence.require(request.method or "")
        return super().send(request, *args, **options)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        # Linux has it (tcp(7)), in milliseconds; elsewhere the fence alone has to do.
        if self._unacknowledged and hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = round(self._unacknowledged * 1000)
            options["socket_options"] = [
                *HTTPConnection.default_socket_options,
                (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds),
            ]
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _pools(self._objection, self._watch)


def _pools(objection: Objection, watch: Watch) -> dict[str, Any]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            reached = super()._new_conn()
            judge(self.host, reached, objection)
            watch(reached)
            return reached

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            reached = super()._new_conn()
            judge(self.host, reached, objection)
            watch(reached)
            return reached

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
