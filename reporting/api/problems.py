"""What every refusal of the API looks like."""

from __future__ import annotations

from typing import Any

from ninja import Schema
from ninja.errors import HttpError

from portal.access import Permission
from reporting.models import ApiKey


class FieldProblem(Schema):
    field: str
    message: str


class Problem(Schema):
    """``message`` says what happened and what to do; ``fields`` what is wrong where."""

    status: int
    message: str
    fields: list[FieldProblem] = []


def problem_of(status: int, message: str, **more: Any) -> dict[str, Any]:
    return {"status": status, "message": message, "fields": [], **more}


def require(key: ApiKey, permission: Permission) -> None:
    """Raise 403 unless the key's role has the right."""
    if permission not in key.permissions:
        raise HttpError(403, f"The key's role, {key.get_role_display()}, has no right to this.")
