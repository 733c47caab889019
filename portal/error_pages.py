"""The pages of errors that no view answers. Programs get the same as JSON (`portal.problems`)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template.loader import render_to_string
from django.views import defaults

from portal.access import public
from portal.problems import is_for_programs, problem_answer


@public
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request):
        return problem_answer(400, "The request cannot be understood.")
    return defaults.bad_request(request, exception)


@public
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if is_for_programs(request):
        return problem_answer(404, "There is no such address.")
    return defaults.page_not_found(request, exception)


@public
def server_error(request: HttpRequest) -> HttpResponse:
    """500, naming the request's id for the logs. Touches neither database nor session."""
    request_id = getattr(request, "id", "")
    if is_for_programs(request):
        return problem_answer(500, f"Something went wrong here. Request ID: {request_id}.")
    return HttpResponseServerError(render_to_string("500.html", {"request_id": request_id}))
