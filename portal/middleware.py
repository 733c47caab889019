"""Request id for logs, audit and error pages; cookies; what answers say to browsers and caches."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase

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


def readable_cookies(get_response: GetResponse) -> GetResponse:
    """Drop cookies with control characters, which nobody has given out.

    Quoted, a cookie can hold a NUL, with which PostgreSQL refuses to look for a session.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        for name, value in list(request.COOKIES.items()):
            if any(char < " " or char == "\x7f" for char in value):
                del request.COOKIES[name]
        return get_response(request)

    return middleware


class SignInRequired(LoginRequiredMiddleware):
    """Every page asks for sign-in unless its mark says otherwise.

    A part of a page gets 401, as the sign-in page must not be put in its place; app.js says so.
    """

    def handle_no_permission(  # type: ignore[override]  # its stub knows redirects only
        self, request: HttpRequest, view_func: Any
    ) -> HttpResponseBase:
        if getattr(request, "htmx", False):
            return HttpResponse("Signed out.", status=401, content_type="text/plain")
        return super().handle_no_permission(request, view_func)


def browser_rules(get_response: GetResponse) -> GetResponse:
    """Switch off browser features that no page uses, and let nobody keep or embed an answer.

    What may be kept says so itself: the static files. So the page a browser goes back to
    after signing out is asked for anew.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Permissions-Policy"] = "camera=(), microphone=(), geolocation=(), payment=()"
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        response.setdefault("Cache-Control", "private, no-store")
        return response

    return middleware
