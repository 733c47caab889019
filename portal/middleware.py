"""Request id for logs, audit and error pages; the Permissions-Policy header."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

GetResponse = Callable[[HttpRequest], HttpResponse]
_ACCEPTED = re.compile(r"^[A-Za-z0-9-]{8,64}$")


def request_id(get_response: GetResponse) -> GetResponse:
    """Give each request an id: the proxy's ``X-Request-ID`` if well formed, else a new one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request.id = given if _ACCEPTED.match(given) else str(uuid.uuid4())  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=request.id):  # type: ignore[attr-defined]
            response = get_response(request)
        response["X-Request-ID"] = request.id  # type: ignore[attr-defined]
        return response

    return middleware


def permissions_policy(get_response: GetResponse) -> GetResponse:
    """Switch off browser features that no page uses."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()"
        return response

    return middleware
