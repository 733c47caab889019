"""What every refusal of the API looks like."""

from __future__ import annotations

from typing import Any

from ninja import Schema

from portal.problems import problem_of

__all__ = ["PROBLEMS", "STARTING", "FieldProblem", "Problem", "problem_of"]


class FieldProblem(Schema):
    field: str
    message: str


class Problem(Schema):
    """``message`` says what happened and what to do; ``fields`` what is wrong where."""

    status: int
    message: str
    fields: list[FieldProblem] = []


# What may come instead of an answer: to whatever is read, and to what starts something.
PROBLEMS: dict[int, Any] = dict.fromkeys((400, 401, 403, 404, 405, 422, 429, 500, 503), Problem)
STARTING: dict[int, Any] = PROBLEMS | {409: Problem, 413: Problem}
