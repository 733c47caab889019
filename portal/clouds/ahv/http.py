"""The wire to one Prism Element: TLS, sign-in, sessions, JSON in and out.

One `requests.Session` per instance, shared by threads. Its cookie jar is shut; the
session cookie of the cluster is kept here, under a lock, because several bad
passwords lock the user (reference 1.2): a password is tried by one thread at a time
until it was accepted, and a refused one is not tried again for a while. No call is
ever repeated by itself, apart from once after an expired session cookie, which is
refused before anything is done.
"""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from portal.clouds.ahv import failures
from portal.clouds.api import (
    CloudError,
    CloudRefused,
    CloudUnreachable,
    Connection,
    SignInRefused,
)
from portal.clouds.guard import GuardedAdapter, Objection

BASE = "/PrismGateway/services/rest/v2.0"
# What v2 has no call for (reference 1.1).
V1 = "/PrismGateway/services/rest/v1"
PORT = 9440
POOL_SIZE = 64
# A refused password is not tried again for so long: five bad ones lock the user for 15 minutes.
REFUSED_FOR_SECONDS = 300.0
SUCCESS = frozenset({200, 201, 202, 204})


@dataclass(frozen=True)
class Answer:
    """A success: the parsed body (None when empty) and the headers."""

    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class _Call:
    method: str
    path: str
    params: Mapping[str, str] | None
    body: object | None
    base: str = BASE

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class _PinnedAdapter(GuardedAdapter):
    """Trusts what its own context trusts, nothing else: no bundle of requests, none from the
    environment."""

    def __init__(
        self, context: ssl.SSLContext, objection: Objection, unacknowledged: float
    ) -> None:
        self._context = context
        super().__init__(
            objection,
            unacknowledged=unacknowledged,
            pool_connections=1,
            pool_maxsize=POOL_SIZE,
            max_retries=0,
        )

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: object, cert: object) -> None:
        """Leave the connection as it is; the default would load the bundle of requests."""
        conn.cert_reqs = "CERT_REQUIRED"


def open_session(connection: Connection) -> requests.Session:
    """Return a session that trusts the connection's CA alone and goes nowhere it may not."""
    try:
        context = ssl.create_default_context(cadata=connection.ca_pem or None)
    except (ssl.SSLError, ValueError) as error:
        raise CloudRefused(
            "The CA certificate of the cloud account cannot be read.",
            advice="Paste it as PEM text, beginning with BEGIN CERTIFICATE.",
        ) from error
    session = requests.Session()
    # Neither proxies nor .netrc nor REQUESTS_CA_BUNDLE of the process have a say here.
    session.trust_env = False
    session.headers["User-Agent"] = "Standby"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount(
        "https://",
        _PinnedAdapter(context, connection.objection, connection.unacknowledged_timeout),
    )
    return session


class PrismSession:
    """Calls to ``https://host:9440/PrismGateway/services/rest``; safe for threads.

    Raises only the errors of `portal.clouds.api`. Opens no socket before the first call.
    """

    def __init__(
        self, connection: Connection, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._monotonic = monotonic
        self._user = connection.secrets.get("user", "")
        password = connection.secrets.get("password", "")
        self._basic = "Basic " + base64.b64encode(f"{self._user}:{password}".encode()).decode()
        self._timeouts = (connection.connect_timeout, connection.read_timeout)
        self._sign_in = threading.Lock()
        self._cookie = ""
        self._accepted = False
        self._refused: tuple[float, CloudError] | None = None

    def get(self, path: str, **params: str) -> Answer:
        """GET; ``path`` below the base."""
        return self._exchange(_Call("GET", path, params or None, None))

    def post(self, path: str, body: object) -> Answer:
        """POST a JSON body."""
        return self._exchange(_Call("POST", path, None, body))

    def get_v1(self, path: str, **params: str) -> Answer:
        """GET below the base of version 1; a call that is not there is refused."""
        return self._exchange(_Call("GET", path, params or None, None, V1))

    def post_v1(self, path: str, body: object) -> Answer:
        """POST a JSON body below the base of version 1; a call that is not there is refused."""
        return self._exchange(_Call("POST", path, None, body, V1))

    def put(self, path: str, body: object) -> Answer:
        """PUT a JSON body."""
        return self._exchange(_Call("PUT", path, None, body))

    def delete(self, path: str, **params: str) -> Answer:
        """DELETE, without a body."""
        return self._exchange(_Call("DELETE", path, params or None, None))

    def forget_refusal(self) -> None:
        """Let the next call try the password again at once: a person asks for it."""
        self._refused = None

    def close(self) -> None:
        """Close the kept-alive connections."""
        self._http.close()

    @cached_property
    def _host(self) -> str:
        """Return host:port of the endpoint, whatever path stands behind it."""
        parts = urlsplit(self._connection.endpoint.strip())
        try:
            host, port = parts.hostname, parts.port or PORT
        except ValueError:
            host, port = None, PORT
        if parts.scheme != "https" or not host:
            raise CloudRefused(
                f"{self._connection.endpoint!r} is not an https address.",
                advice="Give the endpoint as https://name:9440.",
            )
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    @cached_property
    def _http(self) -> requests.Session:
        return open_session(self._connection)

    def _exchange(self, call: _Call) -> Answer:
        response = self._signed(call)
        if response.status_code not in SUCCESS:
            failed = failures.from_answer(response, str(call), self._user)
            if call.base == V1 and response.status_code in {404, 405}:
                # What is asked of version 1 differs by release; whether there is a cluster at
                # all is told by version 2.
                raise CloudRefused(str(failed)) from failed
            raise failed
        if not response.content.strip():
            return Answer(None, response.headers)
        try:
            return Answer(json.loads(response.content), response.headers)
        except ValueError as error:
            raise CloudUnreachable(
                f"{self._host} answered {call} with something that is not JSON.",
                advice="Check that nothing stands between the portal and Prism Element.",
            ) from error

    def _signed(self, call: _Call) -> requests.Response:
        response = self._by_cookie(call)
        if response is None:
            response = self._first_in(call)
        if response is None:
            response = self._by_cookie(call)
        return self._by_password(call) if response is None else response

    def _first_in(self, call: _Call) -> requests.Response | None:
        """Try the password while all others wait; None when it is known to be right."""
        with self._sign_in:
            if self._accepted:
                return None
            return self._by_password(call)

    def _by_cookie(self, call: _Call) -> requests.Response | None:
        """Call with the session cookie; None when there is none, or it has expired."""
        cookie = self._cookie
        if not cookie:
            return None
        response = self._send(call, {"Cookie": cookie})
        if response.status_code != 401:
            return response
        if self._cookie == cookie:
            # Whether the password still holds is not known: back behind the gate.
            self._cookie, self._accepted = "", False
        return None

    def _by_password(self, call: _Call) -> requests.Response:
        if self._refused is not None:
            since, refused = self._refused
            if self._monotonic() - since < REFUSED_FOR_SECONDS:
                raise SignInRefused(str(refused), advice=refused.advice)
        response = self._send(call, {"Authorization": self._basic})
        if response.status_code == 401:
            refused = failures.from_answer(response, str(call), self._user)
            self._refused, self._accepted = (self._monotonic(), refused), False
            raise refused
        if response.status_code in SUCCESS:
            self._refused, self._accepted = None, True
            self._cookie = "; ".join(f"{c.name}={c.value}" for c in response.cookies)
        return response

    def _send(self, call: _Call, headers: Mapping[str, str]) -> requests.Response:
        url = f"https://{self._host}{call.base}{call.path}"
        try:
            return self._http.request(
                call.method,
                url,
                params=call.params,
                json=call.body,
                headers={"Accept": "application/json", **headers},
                timeout=self._timeouts,
                allow_redirects=False,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise failures.from_transport(error, self._host, self._timeouts) from error
