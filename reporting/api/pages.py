"""Long lists, a page at a time: ``limit``, ``cursor``, and ``next`` in the answer."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Field, Schema
from ninja.errors import HttpError, ValidationError

from portal.paging import Order, is_cursor, page_of

NO_PAGE = "There is no page at this cursor. Take “next” of the page before, with the same filters."


class PageQuery(Schema):
    """What every list can be asked; lists add their filters."""

    limit: int = Field(100, ge=1, le=500, description="How many at most.")
    cursor: str = Field(
        "",
        max_length=500,
        pattern=r"^[A-Za-z0-9_-]*$",
        description="`next` of the page before, as it was given; none for the first page.",
    )


def page(rows: QuerySet[Any], order: Order, query: PageQuery) -> dict[str, Any]:
    """One page as the answer has it. 404 for a cursor that no page of such a list has given."""
    if query.cursor and not is_cursor(rows.model, order, query.cursor):
        raise HttpError(404, NO_PAGE)
    found = page_of(rows, order, {"after": query.cursor}, query.limit)
    return {"items": found.rows, "next": found.next or None}


def refuse_unknown(request: HttpRequest, query: Schema) -> None:
    """422 for a parameter there is not: a filter misspelt would be no filter."""
    fields = type(query).model_fields
    known = {field.alias or name for name, field in fields.items()}
    if unknown := sorted(set(request.GET) - known):
        said = f"There is no such parameter; there are {', '.join(sorted(known))}."
        raise ValidationError([{"loc": ("query", name), "msg": said} for name in unknown])
