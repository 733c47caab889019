"""The page of an error nobody expected."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template.loader import render_to_string

from portal.access import public


@public
def server_error(request: HttpRequest) -> HttpResponse:
    """500, naming the request's id for the logs. Touches neither database nor session."""
    context = {"request_id": getattr(request, "id", "")}
    return HttpResponseServerError(render_to_string("500.html", context))
