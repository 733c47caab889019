"""The one API object: who may call it, what a refusal looks like, what it serves."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError
from ninja.operation import Operation
from ninja.renderers import JSONRenderer
from ninja.responses import NinjaJSONEncoder

from backups.services import PowerOffNotAccepted
from portal.problems import problem_of
from portal.refusals import Refused
from reporting.api import accounts, capacity, reports, resources, sessions, starts
from reporting.api.document import DESCRIPTION, document
from reporting.api.keys import Bearer, Signed, SignedIn
from reporting.api.rates import PerKey

BUSY_SECONDS = 60


class Encoder(NinjaJSONEncoder):
    """Times in UTC to the microsecond, as they are kept."""

    def default(self, o: Any) -> Any:
        if isinstance(o, datetime):
            return o.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return super().default(o)


class Renderer(JSONRenderer):
    encoder_class = Encoder


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Programs made from the description call the operations by these names."""
        return operation.view_func.__name__


api = Api(
    title="Standby",
    version="1",
    description=DESCRIPTION,
    renderer=Renderer(),
    urls_namespace="api",
    auth=[Bearer(), Signed()],
    throttle=[PerKey()],
    docs_url=None,
    openapi_url=None,
)
api.add_router("", accounts.router)
api.add_router("", resources.router)
api.add_router("", starts.router)
api.add_router("", reports.router)
api.add_router("/sessions", sessions.router)
api.add_router("/sessions/capacity", capacity.router)


@api.get(
    "/openapi.json",
    auth=[SignedIn(), Bearer(), Signed()],
    throttle=[],
    include_in_schema=False,
    url_name="schema",
)
def schema(request: HttpRequest) -> dict[str, Any]:
    """The description of all of this, for whoever has signed in and for every key."""
    return document(api)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """422: each field that is wrong, with what is wrong with it. Nothing was changed."""
    fields = [
        {"field": _name_of(each["loc"]), "message": str(each["msg"])} for each in error.errors
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
    return _answer(request, 413, "The request is too large; of events, send fewer at once.")


@api.exception_handler(Throttled)
def too_many(request: HttpRequest, error: Throttled) -> HttpResponse:
    """429, with the seconds to wait."""
    seconds = request.rate.wait  # type: ignore[attr-defined]  # by PerKey, which has refused
    return _answer(request, 429, f"Too many requests with this key. Wait {seconds} s.")


@api.exception_handler(Refused)
def hindered(request: HttpRequest, error: Refused) -> HttpResponse:
    """409: the service has said why it cannot be. Nothing was changed."""
    fields = [{"field": error.field, "message": str(error)}] if error.field else []
    if isinstance(error, PowerOffNotAccepted):
        fields = [{"field": "may_power_off", "message": "true accepts it."}]
    return _answer(request, 409, str(error), fields=fields)


@api.exception_handler(Http404)
def not_there(request: HttpRequest, error: Http404) -> HttpResponse:
    return _answer(request, 404, "There is no such thing here.")


@api.exception_handler(HttpError)
def refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    answer = _answer(request, error.status_code, str(error))
    if error.status_code == 503:
        answer["Retry-After"] = str(BUSY_SECONDS)
    return answer


def _name_of(place: tuple[Any, ...]) -> str:
    """``events.0.user.name`` for what pydantic calls by the way it was handed over, too."""
    parts = place[2:] if place[:2] == ("body", "body") else place[1:]
    return ".".join(str(part) for part in parts)


def _answer(request: HttpRequest, status: int, message: str, **more: Any) -> HttpResponse:
    return api.create_response(request, problem_of(status, message, **more), status=status)
