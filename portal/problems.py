"""What a refusal looks like to a program: the body every error under ``/api/`` has."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

PROGRAMS = "/api/"


def is_for_programs(request: HttpRequest) -> bool:
    """Whether a program reads the answer."""
    return request.path.startswith(PROGRAMS)


def problem_of(status: int, message: str, **more: Any) -> dict[str, Any]:
    """The body: ``message`` says what happened and what to do, ``fields`` what is wrong where."""
    return {"status": status, "message": message, "fields": [], **more}


def problem_answer(status: int, message: str) -> HttpResponse:
    """A whole answer with such a body."""
    return JsonResponse(problem_of(status, message), status=status)
