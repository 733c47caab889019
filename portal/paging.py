"""Pages of long lists by key instead of by number: the deepest page costs what the first does.

Rows are ordered by one column and the primary key; a cursor names the row a page ends
or begins at. New rows never shift the rows of a later page.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.paginator import Page as NumberedPage
from django.core.paginator import Paginator
from django.db import connection, models
from django.db.models import F, Func, QuerySet, Value

from portal.prepared import Prepared, Statement

PAGE_LENGTH = 25
# Of people, machines, organizations: nobody has so many that a deep page is slow.
NUMBERED_LENGTH = 50
# Counting stops here: a page says "10,000+" rather than wait for the database to count on.
COUNT_CAP = 10_000

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True)
class Order:
    """The column a list is ordered by, and the direction; ties go by the primary key."""

    field: str
    is_descending: bool

    @classmethod
    def parse(cls, text: str, allowed: Collection[str], default: str) -> Order:
        """Return what ``-created_at`` asks for; what is not allowed gives the default."""
        name = text if text.removeprefix("-") in allowed else default
        return cls(name.removeprefix("-"), name.startswith("-"))


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of rows. ``previous`` and ``next`` are cursors for its neighbours, or "".

    The page before is the one ``?before=previous`` shows, the one after ``?after=next``.
    """

    rows: list[Row]
    order: Order
    previous: str
    next: str


def numbered(
    rows: QuerySet[Any],
    query: Mapping[str, str],
    length: int = NUMBERED_LENGTH,
    field: str = "page",
) -> NumberedPage[Any]:
    """Return the page of a short list that ``?page=2`` asks for; the nearest there is, else."""
    return Paginator(rows, length).get_page(query.get(field))


def page_of(
    rows: QuerySet[Row], order: Order, query: Mapping[str, str], length: int = PAGE_LENGTH
) -> Page[Row]:
    """Return the page that ``after`` or ``before`` (cursors) in the query asks for, else the first.

    A cursor that nobody gave out counts as none.
    """
    back = _decode(rows.model, order, query.get("before", ""))
    onward = None if back else _decode(rows.model, order, query.get("after", ""))
    is_descending = order.is_descending != bool(back)
    if cursor := back or onward:
        rows = rows.filter(_beyond(rows.model, order.field, cursor, is_descending=is_descending))
    sign = "-" if is_descending else ""
    found = list(rows.order_by(f"{sign}{order.field}", f"{sign}pk")[: length + 1])
    is_more, found = len(found) > length, found[:length]
    if back:
        found.reverse()
    has_previous, has_next = (is_more, True) if back else (bool(onward), is_more)
    return Page(
        found,
        order,
        cursor_of(order, found[0]) if found and has_previous else "",
        cursor_of(order, found[-1]) if found and has_next else "",
    )


def capped_counts(sets: Mapping[str, QuerySet[Any]], cap: int = COUNT_CAP) -> dict[str, str]:
    """Count several sets at once, each as `capped_count` would, by one query."""
    with connection.cursor() as cursor:
        cursor.execute(*_counting([(rows, cap) for rows in sets.values()]))
        numbers = cursor.fetchone()
    return {name: as_count(number, cap) for name, number in zip(sets, numbers, strict=True)}


class PreparedCounts:
    """The same of sets that differ by ids alone, for what many pages count (`Prepared`).

    ``sets`` makes them of ids, in the order of ``names``.
    """

    def __init__(
        self,
        names: Sequence[str],
        sets: Callable[..., Iterable[QuerySet[Any]]],
        cap: int = COUNT_CAP,
    ) -> None:
        self._caps, self._sets = dict.fromkeys(names, cap), sets
        self._asked = Prepared(self._write)

    def __or__(self, other: PreparedCounts) -> PreparedCounts:
        """Both, of the same ids, by one query."""
        both = PreparedCounts((), lambda *ids: [*self._sets(*ids), *other._sets(*ids)])
        both._caps = self._caps | other._caps
        return both

    def _write(self, *ids: UUID) -> Statement:
        return _counting(list(zip(self._sets(*ids), self._caps.values(), strict=True)))

    def numbers(self, *ids: UUID) -> dict[str, int]:
        """Count; ``cap + 1`` stands for any more."""
        return dict(zip(self._caps, self._asked.rows(*ids)[0], strict=True))


class PreparedCount:
    """One such set."""

    def __init__(self, rows: Callable[..., QuerySet[Any]], cap: int = COUNT_CAP) -> None:
        self._counts = PreparedCounts(("",), lambda *ids: [rows(*ids)], cap)

    def number(self, *ids: UUID) -> int:
        """Count; ``cap + 1`` stands for any more."""
        return self._counts.numbers(*ids)[""]


def _counting(sets: Iterable[tuple[QuerySet[Any], int]]) -> Statement:
    """Of sets, each with its cap."""
    parts: list[str] = []
    params: list[Any] = []
    for rows, cap in sets:
        sql, given = _counted(rows, cap).query.sql_with_params()
        # Compiled by the ORM; every value travels apart.
        parts.append(f"(SELECT COUNT(*) FROM ({sql}) counted)")  # noqa: S608
        params += given
    return f"SELECT {', '.join(parts)}", params


def as_count(number: int, cap: int = COUNT_CAP) -> str:
    """Return a number that was counted up to the cap, as text; ``10,000+`` beyond it."""
    return f"{cap:,}+" if number > cap else f"{number:,}"


def capped_count(rows: QuerySet[Any], cap: int = COUNT_CAP) -> str:
    """Return how many there are, as text; ``10,000+`` beyond the cap."""
    return capped_counts({"": rows}, cap)[""]


def _counted(rows: QuerySet[Any], cap: int) -> QuerySet[Any, Any]:
    """What to count: rows without a column, so that an index which has all that is asked does."""
    return rows.order_by().values(counted=Value(1))[: cap + 1]


def total_of(page: Page[Any], rows: QuerySet[Any]) -> str:
    """Return how many rows there are, as text. A page that is all of them needs no count."""
    is_all = not page.previous and not page.next
    return f"{len(page.rows):,}" if is_all else capped_count(rows)


def _beyond(
    model: type[models.Model], field: str, cursor: tuple[Any, Any], *, is_descending: bool
) -> Func:
    """Rows after the cursor, compared as pairs: an index starts at the very row.

    Of a thousand that share a value, "this value, or beyond, and another key" would read most.
    """
    columns = _column(model, field), _column(model, "id")
    values = (
        Value(value, output_field=column) for value, column in zip(cursor, columns, strict=True)
    )
    side = " < " if is_descending else " > "
    return Func(
        Func(F(field), F("pk"), function="", output_field=columns[1]),
        Func(*values, function="", output_field=columns[1]),
        template="%(expressions)s",
        arg_joiner=side,
        output_field=models.BooleanField(),
    )


def cursor_of(order: Order, row: models.Model) -> str:
    """Return the cursor that stands for a row."""
    text = json.dumps([order.field, str(getattr(row, order.field)), str(row.pk)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def is_cursor(model: type[models.Model], order: Order, text: str) -> bool:
    """Whether a page of such a list may have given this cursor out."""
    return _decode(model, order, text) is not None


def _decode(model: type[models.Model], order: Order, text: str) -> tuple[Any, Any] | None:
    try:
        padded = text + "=" * (-len(text) % 4)
        field, value, pk = json.loads(base64.urlsafe_b64decode(padded.encode()))
        found = _column(model, order.field).to_python(value), _column(model, "id").to_python(pk)
        if isinstance(found[0], datetime):
            found[0].astimezone(UTC)  # the first and last day there are may leave the calendar
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error, ValidationError):
        return None
    is_wrong = field != order.field or None in found or "\0" in str(value) or _is_naive(found[0])
    return None if is_wrong else found


def _column(model: type[models.Model], name: str) -> models.Field[Any, Any]:
    column = model._meta.get_field(name)
    if not isinstance(column, models.Field):
        raise TypeError(f"{name} of {model} is no column")
    return column


def _is_naive(value: Any) -> bool:
    return isinstance(value, datetime) and value.tzinfo is None
