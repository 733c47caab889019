"""Request id for logs, audit and error pages; cookies; what answers say to browsers and caches."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.middleware.gzip import GZipMiddleware
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from portal import sessions

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
    """Every page asks for sign-in unless its mark says otherwise; here sessions end, too.

    A part of a page gets 401, as the sign-in page must not be put in its place; app.js says so.
    Who still has to set up a second factor is led there from any other page.
    """

    def process_view(
        self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any
    ) -> HttpResponseBase | None:
        """Ask who it is only where that matters: signs of life need no database."""
        if not getattr(view_func, "login_required", True):
            return None
        sessions.look(request)
        answer = super().process_view(request, view_func, view_args, view_kwargs)
        if answer is None and sessions.must_enrol(request) and not _leads_to_factor(request):
            return _to("portal:security", request)
        return answer

    def handle_no_permission(  # type: ignore[override]  # its stub knows redirects only
        self, request: HttpRequest, view_func: Any
    ) -> HttpResponseBase:
        if getattr(request, "htmx", False):
            return HttpResponse("Signed out.", status=401, content_type="text/plain")
        return super().handle_no_permission(request, view_func)


def _leads_to_factor(request: HttpRequest) -> bool:
    """Whether the page is one of those by which a second factor is set up, or one leaves."""
    match = request.resolver_match
    name = match.view_name if match else ""
    return name.startswith("mfa_") or name in WITHOUT_FACTOR


WITHOUT_FACTOR = frozenset(
    {
        "portal:security",
        "portal:session_end",
        "portal:session_end_others",
        "account_reauthenticate",
        "account_change_password",
        "account_set_password",
        "account_logout",
        "admin:logout",
    }
)


def _to(name: str, request: HttpRequest) -> HttpResponseBase:
    address = reverse(name)
    is_part = getattr(request, "htmx", False)
    return HttpResponseClientRedirect(address) if is_part else HttpResponseRedirect(address)


class CompressedPages(GZipMiddleware):
    """Pages and their parts go compressed, to a tenth of their size; nothing else does.

    Files and answers to programs are streamed as the database writes them. What BREACH needs is
    not there: the token against forged requests is masked anew in every answer, the session
    cookie is not sent with requests that another site makes, and each answer has a length of
    its own by chance.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not response.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)


def browser_rules(get_response: GetResponse) -> GetResponse:
    """Switch off browser features that no page uses, and let nobody keep or embed an answer.

    What may be kept says so itself: the static files. So the page a browser goes back to
    after signing out is asked for anew.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Permissions-Policy"] = (
            "camera=(), microphone=(), geolocation=(), payment=(), "
            "publickey-credentials-get=(self), publickey-credentials-create=(self)"
        )
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        response.setdefault("Cache-Control", "private, no-store")
        return response

    return middleware
