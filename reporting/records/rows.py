"""The rows of a data set that somebody asks for: in a span of time, and not too old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q

from portal.models import Account
from reporting.models import DataAvailability, Frequency
from reporting.records.columns import Column
from reporting.records.datasets import DataSet, Rows
from reporting.records.periods import Span, available_from, is_kept


def rows_of(
    data_set: DataSet,
    account: Account,
    availability: DataAvailability,
    span: Span | None,
    now: datetime,
    *,
    frequency: str = "",
    narrowed: Q | None = None,
    among: Rows | None = None,
) -> Rows:
    """Rows of the account within the span, in the data set's order.

    What is too old is left out to the second, whether it was purged by now or not. Of figures
    only one frequency is given: unless told otherwise, days. ``among`` are the rows to look at,
    where it is not all of the account.
    """
    rows = data_set.rows(account) if among is None else among
    cutoff = available_from(availability, now)
    if cutoff is not None and not is_kept(availability):
        rows = rows.filter(data_set.not_older(cutoff))
    if data_set.frequencies:
        frequency = frequency or Frequency.DAY
        rows = rows.filter(frequency=frequency)
    if span is not None:
        by_month = data_set.is_monthly or frequency == Frequency.MONTH
        since = span.since_month if by_month else span.since
        rows = rows.filter(**{f"{data_set.time}__gte": since, f"{data_set.time}__lt": span.until})
    if narrowed is not None:
        rows = rows.filter(narrowed)
    return data_set.grouped(rows).order_by(*data_set.order)


def beyond(data_set: DataSet, place: Sequence[Any]) -> Q:
    """Rows after the one that has these values in the data set's order."""
    found = Q()
    for number, name in enumerate(data_set.order):
        same = dict(zip(data_set.order[:number], place, strict=False))
        found |= Q(**same, **{f"{name}__gt": place[number]})
    # Says "this value or beyond" first, because that is what an index can start from.
    return Q(**{f"{data_set.order[0]}__gte": place[0]}) & found


@dataclass(frozen=True)
class Part:
    """Some rows in order, by column name, as JSON has them; ``place`` is where the next begin.

    ``place`` is None when there are no more.
    """

    rows: list[dict[str, Any]]
    place: tuple[Any, ...] | None


def part_of(data_set: DataSet, rows: Rows, limit: int) -> Part:
    """The first ``limit`` of these rows. To go on, narrow `rows_of` by `beyond` its place."""
    columns = {f"col_{number}": column for number, column in enumerate(data_set.columns)}
    wanted = {name: column.value for name, column in columns.items()}
    keys = {f"key_{number}": name for number, name in enumerate(data_set.order)}
    values = rows.values(**wanted, **{key: F(name) for key, name in keys.items()})
    found = list(values[: limit + 1])
    is_more, found = len(found) > limit, found[:limit]
    place = tuple(found[-1][key] for key in keys) if is_more else None
    return Part([_as_json(columns, row) for row in found], place)


def _as_json(columns: dict[str, Column], row: dict[str, Any]) -> dict[str, Any]:
    return {column.name: column.for_api(row[key]) for key, column in columns.items()}
