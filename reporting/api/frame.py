"""What every answer of the API has in common, and the access mark of its addresses."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase

from portal.problems import problem_answer

View = Callable[..., HttpResponseBase]


def framed(patterns: list[Any]) -> list[Any]:
    """Put every address into the frame; its access mark is a key's, never a person's sign-in."""
    for pattern in patterns:
        pattern.callback = _in_frame(pattern.callback)
        pattern.callback.access_mark = "api"
        pattern.callback.login_required = False
    return patterns


def _in_frame(view: View) -> View:
    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer = view(request, *args, **kwargs)
        if isinstance(answer, HttpResponseNotAllowed):
            answer = _not_allowed(request, answer["Allow"])
        if rate := getattr(request, "rate", None):
            for name, value in rate.headers().items():
                answer[name] = value
        answer.setdefault("Cache-Control", "no-store")
        return answer

    return answered


def _not_allowed(request: HttpRequest, allowed: str) -> HttpResponseBase:
    answer = problem_answer(405, f"{request.method} is not for this address; {allowed} is.")
    answer["Allow"] = allowed
    return answer
