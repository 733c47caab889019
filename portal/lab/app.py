"""The ASGI application of one cluster: faults, the log, sign-in, routes, refusals.

A dropped connection is closed without a word: the client sees no HTTP answer at all.
"""

from __future__ import annotations

import asyncio
import enum
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from portal.lab.control import CONTROL
from portal.lab.faults import Fault
from portal.lab.lab import Lab
from portal.lab.prism import COOKIE, V1, V2, V3, PrismCluster, error_body
from portal.lab.routing import Answer, NotReady, Refusal, Request, Routes

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Both bases of the reference (1.1).
BASES: dict[tuple[str, ...], Routes[PrismCluster]] = {
    ("PrismGateway", "services", "rest", "v1"): V1,
    ("PrismGateway", "services", "rest", "v2.0"): V2,
    ("api", "nutanix", "v1"): V1,
    ("api", "nutanix", "v2.0"): V2,
    ("api", "nutanix", "v3"): V3,
}
# Real seconds between two looks for a call that waits for something.
LOOK_SECONDS = 0.02
HTML = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"


class Outcome(enum.Enum):
    """What a call gets instead of an answer."""

    DROP = "the connection is closed"
    HANG = "nothing, until the client goes away"


@dataclass(frozen=True, slots=True)
class _Call:
    request: Request
    routes: Routes[PrismCluster]
    rest: list[str]
    cookie: str | None
    authorization: str | None
    receive: Receive


class ClusterApp:
    """Answers the calls that come to one cluster's port."""

    def __init__(self, lab: Lab, cluster: PrismCluster) -> None:
        self.lab = lab
        self.cluster = cluster

    async def __call__(
        self, drop: Callable[[], None], scope: Message, receive: Receive, send: Send
    ) -> None:
        """Answer one call; ``drop`` closes its connection."""
        raw = await _read(receive)
        if raw is None:
            return
        segments = scope["raw_path"].decode("latin-1").partition("?")[0].strip("/").split("/")
        segments = [unquote(segment) for segment in segments]
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        if segments[0] == ".lab":
            request = Request(scope["method"], "", query, raw)
            await _send(send, self._control(request, segments[1:]))
            return
        routes, rest = _split(segments)
        now = self.lab.clock.now_usecs()
        request = Request(scope["method"], "/" + "/".join(rest), query, raw, at=now)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        cookie, password = _cookie(headers.get("cookie", "")), headers.get("authorization")
        outcome = await self._respond(_Call(request, routes, rest, cookie, password, receive))
        if isinstance(outcome, Answer):
            await _send(send, outcome, self.cluster.identity.environment)
            return
        if outcome is Outcome.DROP:
            drop()
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _respond(self, call: _Call) -> Answer | Outcome:
        request = call.request
        fault = self.lab.faults.strike(
            self.cluster.name, request.method, request.path, has_cookie=bool(call.cookie)
        )
        outcome = await self._strike_before(fault, call) if fault else None
        if outcome is None:
            outcome = await self._act(call, _doom(fault))
            if fault:
                outcome = await self._strike_after(fault, call, outcome)
        status = outcome.status if isinstance(outcome, Answer) else 0
        self.lab.log(self.cluster.name, request, status)
        return outcome

    async def _strike_before(self, fault: Fault, call: _Call) -> Answer | Outcome | None:
        """What a fault does instead of the call; None: the call is acted on."""
        if fault.kind == "call" and fault.when == "before" and fault.callback:
            await asyncio.to_thread(fault.callback)
            return Outcome.DROP
        if fault.kind == "expired_cookie":
            self.lab.sessions[self.cluster.name].expire(call.cookie)
            return Answer(error_body("The session has expired"), 401)
        if fault.kind == "status":
            wait = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            body = fault.body or error_body(fault.detail or f"The lab answers {fault.status}")
            return Answer(body, fault.status, wait)
        instead: dict[str, Answer | Outcome] = {
            "hang": Outcome.HANG,
            "drop_before": Outcome.DROP,
            "html": Answer(HTML, 502, {"Content-Type": "text/html"}),
        }
        return instead.get(fault.kind)

    async def _strike_after(
        self, fault: Fault, call: _Call, answer: Answer | Outcome
    ) -> Answer | Outcome:
        if fault.kind == "call" and fault.callback:
            await asyncio.to_thread(fault.callback)
            return Outcome.DROP
        if fault.kind == "slow":
            await _pause(call.receive, fault.delay or 1)
        return Outcome.DROP if fault.kind == "drop_after" else answer

    async def _act(self, call: _Call, doom: str) -> Answer | Outcome:
        while True:
            try:
                return self._act_now(call, doom)
            except NotReady:
                if not await _pause(call.receive, LOOK_SECONDS):
                    return Outcome.DROP

    def _act_now(self, call: _Call, doom: str) -> Answer:
        """Sign in and handle the call, as one step that no other call sees half-done."""
        with self.lab.lock:
            self.lab.settle()
            sessions = self.lab.sessions[self.cluster.name]
            try:
                token = sessions.admit(call.cookie, call.authorization, self.lab.instant)
            except PermissionError:
                return Answer(error_body("Authentication required"), 401)
            self.cluster.doom = doom
            try:
                handler, params = call.routes.find(call.request.method, call.rest)
                body = _json(call.request.body)
                answer = handler(self.cluster, replace(call.request, body=body, params=params))
            except Refusal as refusal:
                answer = self._refuse(refusal)
            finally:
                self.cluster.doom = ""
                self.lab.save_after(call.request.method)
        if token is None:
            return answer
        cookies = {"Set-Cookie": f"{COOKIE}={token}; Path=/; Secure; HttpOnly"}
        return replace(answer, headers={**answer.headers, **cookies})

    def _refuse(self, refusal: Refusal) -> Answer:
        is_old = self.cluster.dialect.errors == "500" and refusal.status != 405
        status = 500 if is_old else refusal.status
        return Answer(error_body(str(refusal), refusal.code), status)

    def _control(self, request: Request, segments: list[str]) -> Answer:
        with self.lab.lock:
            self.lab.settle()
            try:
                handler, params = CONTROL.find(request.method, segments)
                request = replace(request, body=_json(request.body), params=params)
                answer = handler(self.cluster, request)
            except Refusal as refusal:
                answer = Answer({"error": str(refusal)}, refusal.status)
            self.lab.settle()
            self.lab.save_after(request.method)
        return answer


def _split(segments: list[str]) -> tuple[Routes[PrismCluster], list[str]]:
    """Return the routes of the base that was called, and what follows it."""
    for length in (3, 4):
        routes = BASES.get(tuple(segments[:length]))
        if routes is not None:
            return routes, segments[length:]
    return Routes(), segments


def _doom(fault: Fault | None) -> str:
    if fault is None or fault.kind != "task_failed":
        return ""
    return fault.detail or "The lab lets this task fail"


async def _pause(receive: Receive, seconds: float) -> bool:
    """Wait real seconds. False: the client has gone away meanwhile."""
    try:
        message = await asyncio.wait_for(receive(), seconds)
    except TimeoutError:
        return True
    return str(message["type"]) != "http.disconnect"


def _cookie(header: str) -> str | None:
    for entry in header.split(";"):
        name, _, value = entry.strip().partition("=")
        if name == COOKIE:
            return value
    return None


def _json(raw: bytes) -> Any:
    if not raw.strip():
        return None
    try:
        return json.loads(raw)
    except ValueError:
        raise Refusal("The request body is not JSON", 400) from None


async def _read(receive: Receive) -> bytes | None:
    """Return the body, None when the client has gone away."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, answer: Answer, environment: str = "PE") -> None:
    if isinstance(answer.body, str):
        body = answer.body.encode()
    else:
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
    headers = {
        "Content-Type": "application/json;charset=UTF-8",
        "X-Ntnx-Env": environment,
        "Server": "Nutanix Prism (lab)",
        **answer.headers,
    }
    if answer.status != 204:
        headers["Content-Length"] = str(len(body))
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
