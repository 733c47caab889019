"""The HTTP side of a cluster: sign-in by password or cookie, routes, refusals in its dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from portal.lab.app import Call, read_json
from portal.lab.prism.auth import COOKIE, Sessions
from portal.lab.prism.cluster import AGENT, V1, V2, V3, PrismCluster
from portal.lab.prism.control import CONTROL
from portal.lab.prism.guests import TOKEN
from portal.lab.prism.wire import error_body
from portal.lab.routing import Answer, Refusal, Routes

# Both bases of the reference (1.1).
BASES: dict[tuple[str, ...], Routes[PrismCluster]] = {
    ("PrismGateway", "services", "rest", "v1"): V1,
    ("PrismGateway", "services", "rest", "v2.0"): V2,
    ("api", "nutanix", "v1"): V1,
    ("api", "nutanix", "v2.0"): V2,
    ("api", "nutanix", "v3"): V3,
    ("guest-agent", "v1"): AGENT,
}


LOOKS = (["tasks", "list"], ["tasks", "poll"])


class PrismFront:
    """One cluster's port."""

    control = CONTROL

    def __init__(self, cluster: PrismCluster) -> None:
        self.site = cluster
        self.sessions = Sessions()

    @property
    def headers(self) -> Mapping[str, str]:
        return {"X-Ntnx-Env": self.site.identity.environment, "Server": "Nutanix Prism (lab)"}

    def path(self, segments: list[str]) -> str:
        return "/" + "/".join(_split(segments)[1])

    def has_session(self, call: Call) -> bool:
        return bool(_cookie(call))

    def expire(self, call: Call) -> Answer:
        self.sessions.expire(_cookie(call))
        return Answer(error_body("The session has expired"), 401)

    def error(self, path: str, message: str, status: int) -> object:
        return error_body(message)

    def answer(self, call: Call) -> Answer:
        authorization = call.headers.get("authorization")
        if _split(call.segments)[0] is AGENT:
            return self._to_agent(call, authorization)
        try:
            token = self.sessions.admit(_cookie(call), authorization, self.site.now)
        except PermissionError:
            return Answer(error_body("Authentication required"), 401)
        if self.site.identity.is_viewer and not _is_look(call):
            answer = Answer(error_body("Access is denied"), 403)
        else:
            answer = self._handle(call)
        if token is None:
            return answer
        cookies = {"Set-Cookie": f"{COOKIE}={token}; Path=/; Secure; HttpOnly"}
        return replace(answer, headers={**answer.headers, **cookies})

    def _to_agent(self, call: Call, authorization: str | None) -> Answer:
        """The gateway knows no sessions, and says what is wrong in its own words."""
        if authorization != f"Bearer {TOKEN}":
            return Answer({"detail": "The token is not accepted"}, 401)
        routes, rest = _split(call.segments)
        try:
            handler, params = routes.find(call.request.method, rest)
            return handler(self.site, replace(call.request, params=params))
        except Refusal as refusal:
            return Answer({"detail": str(refusal)}, refusal.status)

    def _handle(self, call: Call) -> Answer:
        routes, rest = _split(call.segments)
        request = call.request
        try:
            handler, params = routes.find(request.method, rest)
            body = read_json(request.body)
            return handler(self.site, replace(request, body=body, params=params))
        except Refusal as refusal:
            is_old = self.site.dialect.errors == "500" and refusal.status != 405
            status = 500 if is_old else refusal.status
            return Answer(error_body(str(refusal), refusal.code), status)


def _is_look(call: Call) -> bool:
    """GET, and the two lists of tasks that are asked for by POST."""
    return call.request.method == "GET" or call.segments[-2:] in LOOKS


def _split(segments: list[str]) -> tuple[Routes[PrismCluster], list[str]]:
    """Return the routes of the base that was called, and what follows it."""
    for length in (2, 3, 4):
        routes = BASES.get(tuple(segments[:length]))
        if routes is not None:
            return routes, segments[length:]
    return Routes(), segments


def _cookie(call: Call) -> str | None:
    for entry in call.headers.get("cookie", "").split(";"):
        name, _, value = entry.strip().partition("=")
        if name == COOKIE:
            return value
    return None
