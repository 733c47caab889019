"""The pages of errors that no view answers. Programs get the same as JSON (`portal.problems`)."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template.loader import render_to_string
from django.views import defaults

from portal.access import public
from portal.context_processors import Shell
from portal.outages import OUTCOME, WORDS, Outage, let_go, outage_of
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
    """500, naming the request's id for the logs. Touches neither database nor session.

    503 when it was the database that failed, whichever way: Django calls this with the
    error at hand.
    """
    if outage := outage_of(sys.exc_info()[1]):
        return unavailable(request, outage)
    request_id = getattr(request, "id", "")
    if is_for_programs(request):
        return problem_answer(500, f"Something went wrong here. Request ID: {request_id}.")
    return HttpResponseServerError(render_to_string("500.html", {"request_id": request_id}))


def unavailable(request: HttpRequest, outage: Outage) -> HttpResponse:
    """503 for a page, a part of one, or a program; says when to ask again."""
    let_go()
    words = WORDS[outage]
    outcome = "" if request.method in {"GET", "HEAD"} else OUTCOME
    if is_for_programs(request):
        answer = problem_answer(503, " ".join(filter(None, (f"{words.title}.", outcome))))
    elif "HX-Request" in request.headers:
        # Not put in the place of anything, so that a form keeps what was entered; see app.js.
        detail = " ".join(filter(None, (words.advice, outcome)))
        toast = {"toast": "error", "text": words.title, "detail": detail}
        answer = HttpResponse(render_to_string("portal/_toast.html", toast), status=503)
    else:
        context = {
            "words": words,
            "outcome": outcome,
            "again": "" if outcome else request.get_full_path(),
            "request_id": getattr(request, "id", ""),
            "shell": {"theme": Shell(request).theme},
        }
        answer = HttpResponse(render_to_string("503.html", context), status=503)
    answer["Retry-After"] = str(words.retry_seconds)
    answer["Cache-Control"] = "no-store"
    return answer
