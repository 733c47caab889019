"""The one API object: who may call it, what a refusal looks like, what it serves."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError
from ninja.security import APIKeyHeader, HttpBearer
from ninja.throttling import AuthRateThrottle

from reporting import api_keys
from reporting.api import sessions
from reporting.api.problems import problem_of
from reporting.models import ApiKey

RATE = "600/m"


class Bearer(HttpBearer):
    """``Authorization: Bearer <token>``."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        return api_keys.by_token(token)


class Signed(APIKeyHeader):
    """``X-Frame-ClientId``, ``X-Frame-Timestamp`` and ``X-Frame-Signature``."""

    param_name = "X-Frame-ClientId"

    def authenticate(self, request: HttpRequest, key: str | None) -> ApiKey | None:
        return api_keys.by_signature(request.headers) if key else None


class PerKey(AuthRateThrottle):
    """A limit for each key, whichever worker answers: the counts are in the cache."""

    def get_cache_key(self, request: HttpRequest) -> str:
        key: ApiKey = request.auth  # type: ignore[attr-defined]
        return f"api-rate-{key.pk.hex}"


api = NinjaAPI(
    title="Standby",
    version="1",
    urls_namespace="api",
    auth=[Bearer(), Signed()],
    throttle=[PerKey(RATE)],
    docs_url=None,
    openapi_url=None,
)
api.add_router("/sessions", sessions.router)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """422: each field that is wrong, with what is wrong with it. Nothing was changed."""
    fields = [
        {"field": ".".join(str(part) for part in each["loc"][1:]), "message": str(each["msg"])}
        for each in error.errors
    ]
    return _answer(request, 422, "The request is not valid; nothing was changed.", fields=fields)


@api.exception_handler(AuthenticationError)
def not_signed_in(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    """401: no key, a wrong one, a revoked one, or a signature that is too old."""
    said = "The key is missing, wrong or revoked, or the signature does not fit or is too old."
    answer = _answer(request, 401, said)
    answer["WWW-Authenticate"] = "Bearer"
    return answer


@api.exception_handler(RequestDataTooBig)
def too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return _answer(request, 413, "The request is too large. Send fewer events at once.")


@api.exception_handler(Throttled)
def too_many(request: HttpRequest, error: Throttled) -> HttpResponse:
    """429, with the seconds to wait."""
    seconds = max(1, round(error.wait or 1))
    answer = _answer(request, 429, f"Too many requests with this key. Wait {seconds} s.")
    answer["Retry-After"] = str(seconds)
    return answer


@api.exception_handler(HttpError)
def refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    return _answer(request, error.status_code, str(error))


def _answer(request: HttpRequest, status: int, message: str, **more: Any) -> HttpResponse:
    return api.create_response(request, problem_of(status, message, **more), status=status)


def marked(patterns: list[Any]) -> list[Any]:
    """Give every address its access mark: a key's, never a person's sign-in."""
    for pattern in patterns:
        pattern.callback.access_mark = "api"
        pattern.callback.login_required = False
    return patterns
