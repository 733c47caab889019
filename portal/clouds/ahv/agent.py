"""The guest agent gateway: how a guest of a cluster is told to run sysprep.

Prism has no call that reaches into a guest, so a deployment provides this service (README,
"Publishing"). ``PUT`` and ``GET`` of ``/guest-agent/v1/vms/<uuid>/generalize/<token>`` answer
``{"state": "queued" | "running" | "done" | "failed", "detail": text}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit

import requests
import urllib3

from portal.clouds.ahv import failures
from portal.clouds.ahv.http import open_session
from portal.clouds.api import CloudBusy, CloudError, CloudRefused, CloudUnreachable, Connection
from portal.clouds.patience import retry_after

BASE = "/guest-agent/v1"
STATES = frozenset({"queued", "running", "done", "failed"})
# The guest is not up yet, or its agent has not called in.
NOT_UP = frozenset({404, 409, 425})
NOT_NOW = frozenset({429, 500, 502, 503, 504})
LONGEST_DETAIL = 500


@dataclass(frozen=True)
class Sysprep:
    """How a run stands. ``detail`` is what sysprep said, above all when it failed."""

    state: str
    detail: str = ""

    @property
    def is_running(self) -> bool:
        return self.state in {"queued", "running"}


class GuestAgents:
    """The gateway of one cloud account. Opens no socket before the first call."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._timeouts = (connection.connect_timeout, connection.read_timeout)

    def begin(self, vm_uuid: str, token: str) -> Sysprep | None:
        """Tell the guest to run sysprep, once for this token. None: its agent is not up yet."""
        response = self._send("PUT", vm_uuid, token)
        if response.status_code in NOT_UP:
            self._said(response)
            return None
        if response.status_code not in {200, 201, 202}:
            raise self._refusal(response)
        return self._state(response)

    def look(self, vm_uuid: str, token: str) -> Sysprep | None:
        """Say how the run of this token stands; None where none was begun."""
        response = self._send("GET", vm_uuid, token)
        if response.status_code == 404:
            self._said(response)
            return None
        if response.status_code != 200:
            raise self._refusal(response)
        return self._state(response)

    def warnings(self) -> Iterator[str]:
        """Say what is wrong with the gateway, if there is one: it is asked about nothing."""
        if not self._connection.secrets.get("agent_endpoint"):
            return
        try:
            self.look("none", "none")
        except CloudError as error:
            yield f"Sysprep cannot be run: {error} {error.advice}".strip()

    def close(self) -> None:
        """Close the kept-alive connections."""
        if "_http" in self.__dict__:
            self._http.close()

    @cached_property
    def _http(self) -> requests.Session:
        return open_session(self._connection)

    @cached_property
    def _endpoint(self) -> str:
        endpoint = self._connection.secrets.get("agent_endpoint", "").strip().rstrip("/")
        if urlsplit(endpoint).scheme != "https":
            raise CloudRefused(
                "This cloud account has no guest agent gateway, so sysprep cannot be run.",
                advice="Add the gateway to the cloud account, then publish again.",
            )
        return endpoint

    def _send(self, method: str, vm_uuid: str, token: str) -> requests.Response:
        path = f"/vms/{quote(vm_uuid, safe='')}/generalize/{quote(token, safe='')}"
        url = f"{self._endpoint}{BASE}{path}"
        secret = self._connection.secrets.get("agent_token", "")
        headers = {"Accept": "application/json", "Authorization": f"Bearer {secret}"}
        host = urlsplit(url).netloc
        try:
            return self._http.request(
                method, url, headers=headers, timeout=self._timeouts, allow_redirects=False
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise failures.from_transport(error, host, self._timeouts) from error

    def _refusal(self, response: requests.Response) -> CloudBusy | CloudRefused:
        status, said = response.status_code, _detail(response)
        if status in NOT_NOW:
            busy = f"The guest agent gateway is busy. {said}".strip()
            return CloudBusy(busy, retry_after=retry_after(response.headers))
        if status in {401, 403}:
            return CloudRefused(
                f"The guest agent gateway does not accept its token. {said}".strip(),
                advice="Correct the gateway's token in the cloud account, then publish again.",
            )
        return CloudRefused(
            f"The guest agent gateway refused with status {status}. {said}".strip(),
            advice="Look at the log of the gateway, then publish again.",
        )

    def _state(self, response: requests.Response) -> Sysprep:
        said = self._said(response)
        state = said.get("state")
        if not isinstance(state, str) or state not in STATES:
            raise _no_gateway()
        return Sysprep(state, str(said.get("detail") or "")[:LONGEST_DETAIL])

    def _said(self, response: requests.Response) -> dict[str, Any]:
        """Return the JSON object answered. Taking a proxy's 404 for "not begun" would start a
        clone that sysprep has shut down."""
        said = _json(response)
        if not isinstance(said, dict):
            raise _no_gateway()
        return said


def _no_gateway() -> CloudUnreachable:
    return CloudUnreachable(
        "What answers at the guest agent gateway's address is not one.",
        advice="Correct the gateway's address in the cloud account.",
    )


def _json(response: requests.Response) -> Any:
    """Return what the body holds, None when it is not JSON or does not say that it is."""
    said_to_be = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if said_to_be != "application/json":
        return None
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def _detail(response: requests.Response) -> str:
    body = _json(response)
    said = body.get("detail") or body.get("message") if isinstance(body, dict) else ""
    return str(said or "")[:LONGEST_DETAIL]
