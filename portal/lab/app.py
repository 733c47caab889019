"""The ASGI application of one port of the lab: faults, the log, and what every cloud has.

How a call is signed in, routed and refused is the cloud's own matter: its `Front`. A dropped
connection is closed without a word: the client sees no HTTP answer at all.
"""

from __future__ import annotations

import asyncio
import enum
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from portal.lab.faults import Fault
from portal.lab.lab import Lab
from portal.lab.routing import Answer, NotReady, Refusal, Request, Routes

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Real seconds between two looks for a call that waits for something.
LOOK_SECONDS = 0.02
HTML = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"


class Outcome(enum.Enum):
    """What a call gets instead of an answer."""

    DROP = "the connection is closed"
    HANG = "nothing, until the client goes away"


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it came. ``segments`` are those of the whole path, unquoted."""

    request: Request
    segments: list[str]
    headers: Mapping[str, str]


class Front(Protocol):
    """The HTTP side of one cloud. Called with the lab's lock held."""

    @property
    def site(self) -> Any:
        """The state behind it; has ``name``, ``doom`` and ``forgets``."""

    @property
    def control(self) -> Routes[Any]:
        """What the control API can do to ``site``."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What every answer carries."""

    def path(self, segments: list[str]) -> str:
        """The path by which faults and the log know a call."""

    def has_session(self, call: Call) -> bool:
        """Whether the call relies on an earlier sign-in."""

    def expire(self, call: Call) -> Answer:
        """End the sign-in that the call relies on, and say so."""

    def answer(self, call: Call) -> Answer:
        """Sign in and handle a call. May raise `NotReady`."""

    def error(self, path: str, message: str, status: int) -> Any:
        """The body of an error, in the form of this part of the cloud."""


class CloudApp:
    """Answers the calls that come to one cloud's port."""

    def __init__(self, lab: Lab, front: Front) -> None:
        self.lab = lab
        self.front = front

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
            await _send(send, self._control(request, segments[1:]), {})
            return
        now = self.lab.clock.now_usecs()
        path = self.front.path(segments)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        call = Call(Request(scope["method"], path, query, raw, at=now), segments, headers)
        outcome = await self._respond(call, receive)
        if isinstance(outcome, Answer):
            await _send(send, outcome, self.front.headers)
            return
        if outcome is Outcome.DROP:
            drop()
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _respond(self, call: Call, receive: Receive) -> Answer | Outcome:
        request, name = call.request, self.front.site.name
        has_session = self.front.has_session(call)
        fault = self.lab.faults.strike(name, request.method, request.path, has_session=has_session)
        outcome = await self._strike_before(fault, call) if fault else None
        if outcome is None:
            outcome = await self._act(call, fault, receive)
            if fault:
                outcome = await self._strike_after(fault, receive, outcome)
        status = outcome.status if isinstance(outcome, Answer) else 0
        self.lab.log(name, request, status)
        return outcome

    async def _strike_before(self, fault: Fault, call: Call) -> Answer | Outcome | None:
        """What a fault does instead of the call; None: the call is acted on."""
        if fault.kind == "call" and fault.when == "before" and fault.callback:
            await asyncio.to_thread(fault.callback)
            return Outcome.DROP
        if fault.kind == "expired_session":
            return self.front.expire(call)
        if fault.kind == "status":
            wait = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            said = fault.detail or f"The lab answers {fault.status}"
            body = fault.body
            if body is None:
                body = self.front.error(call.request.path, said, fault.status)
            return Answer(body, fault.status, wait)
        instead: dict[str, Answer | Outcome] = {
            "hang": Outcome.HANG,
            "drop_before": Outcome.DROP,
            "html": Answer(HTML, 502, {"Content-Type": "text/html"}),
        }
        return instead.get(fault.kind)

    async def _strike_after(
        self, fault: Fault, receive: Receive, answer: Answer | Outcome
    ) -> Answer | Outcome:
        if fault.kind == "call" and fault.callback:
            await asyncio.to_thread(fault.callback)
            return Outcome.DROP
        if fault.kind == "slow":
            await _pause(receive, fault.delay or 1)
        return Outcome.DROP if fault.kind == "drop_after" else answer

    async def _act(self, call: Call, fault: Fault | None, receive: Receive) -> Answer | Outcome:
        while True:
            try:
                return self._act_now(call, fault)
            except NotReady:
                if not await _pause(receive, LOOK_SECONDS):
                    return Outcome.DROP

    def _act_now(self, call: Call, fault: Fault | None) -> Answer:
        """Handle the call as one step that no other call sees half-done."""
        site = self.front.site
        with self.lab.lock:
            self.lab.settle()
            site.doom = _doom(fault)
            site.forgets = fault is not None and fault.kind == "operation_expired"
            try:
                answer = self.front.answer(call)
                for observe in self.lab.observers:
                    observe(site.name, call.request, answer)
                return answer
            finally:
                site.doom, site.forgets = "", False
                self.lab.save_after(call.request.method)

    def _control(self, request: Request, segments: list[str]) -> Answer:
        with self.lab.lock:
            self.lab.settle()
            try:
                handler, params = self.front.control.find(request.method, segments)
                request = replace(request, body=read_json(request.body), params=params)
                answer = handler(self.front.site, request)
            except Refusal as refusal:
                answer = Answer({"error": str(refusal)}, refusal.status)
            self.lab.settle()
            self.lab.save_after(request.method)
        return answer


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


def read_json(raw: bytes) -> Any:
    """Return what a body holds, None for an empty one; `Refusal` 400 when it is not JSON."""
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


async def _send(send: Send, answer: Answer, common: Mapping[str, str]) -> None:
    if isinstance(answer.body, str):
        body = answer.body.encode()
    else:
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
    headers = {"Content-Type": "application/json;charset=UTF-8", **common, **answer.headers}
    if answer.status != 204:
        headers["Content-Length"] = str(len(body))
    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
