"""Records of an account: the eight data types that the table of data availability ticks (R143).

Each has an address and columns of its own; those of the others do not exist (R147, R152, R154).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from ninja import Field, Query, Router, Schema
from ninja.errors import HttpError
from pydantic import create_model

from portal.engine import clock
from portal.models import Account, Organization
from portal.refusals import Refused
from reporting import exports
from reporting.api.keys import account_of, actor_of
from reporting.api.pages import NO_PAGE, PageQuery, refuse_unknown
from reporting.api.problems import PROBLEMS, Problem
from reporting.api.values import Day
from reporting.exports import Wanted
from reporting.models import DataAvailability, Frequency
from reporting.records import DATA_SETS, DataSet, Kind, Span, beyond, part_of
from reporting.spans import today_in

router = Router(tags=["reports"])
# Where an open end of a span is put, and one beyond what calendars of all zones can say.
_FIRST, _LAST = date(1970, 1, 1), date(9000, 1, 1)

_AS_CSV = {"text/csv": {"schema": {"type": "string"}}}
_TYPES: dict[Kind, Any] = {
    Kind.TEXT: str | None,
    Kind.WORD: str | None,
    Kind.JSON: dict[str, Any],
    Kind.TIME: datetime | None,
    Kind.ID: UUID | None,
    Kind.INTEGER: int | None,
    Kind.NUMBER: float | None,
}


class ReportQuery(PageQuery):
    format: Literal["json", "csv"] = Field("json", description="CSV has all rows in one file.")
    from_: Day | None = Field(None, alias="from", description="First day, in the account's zone.")
    to: Day | None = Field(None, description="Last day, in the account's zone.")


def _with_frequency(data_set: DataSet) -> type[ReportQuery]:
    if not data_set.frequencies:
        return ReportQuery
    kind: Any = Literal[*(str(each) for each in data_set.frequencies)]
    said = Field(str(Frequency.DAY), description="Figures of hours, days or months.")
    return create_model(f"{_camel(data_set)}Query", __base__=ReportQuery, frequency=(kind, said))


def _page_schema(data_set: DataSet) -> type[Schema]:
    columns: dict[str, Any] = {each.name: (_TYPES[each.kind], ...) for each in data_set.columns}
    row = create_model(f"{_camel(data_set)}Row", __base__=Schema, **columns)
    items: Any = list[row]  # type: ignore[valid-type]
    return create_model(
        f"{_camel(data_set)}Page", __base__=Schema, items=(items, ...), next=(str | None, ...)
    )


def _model_of(data_set: DataSet) -> type[models.Model]:
    return data_set.rows(Account(organization=Organization())).model


def _camel(data_set: DataSet) -> str:
    return data_set.type.label.replace(" ", "")


def _reader(data_set: DataSet) -> Callable[..., Any]:
    """The operation that reads one data set."""
    query_type = _with_frequency(data_set)

    def read(request: HttpRequest, account: UUID, query: Any) -> Any:
        refuse_unknown(request, query)
        found = account_of(request, account)
        if not DataAvailability.objects.get(data_type=data_set.type).has_api:
            raise HttpError(404, f"{data_set.type.label} cannot be read by the API.")
        answer = _file if query.format == "csv" else _part
        return answer(request, data_set, found, query)

    read.__name__ = f"read_{data_set.type}"
    read.__doc__ = (
        f"{data_set.type.label} of the account, the oldest first, as far as available. As CSV they "
        "are all the rows at once, whatever `limit` and `cursor` say."
    )
    read.__annotations__["query"] = Query[query_type]  # type: ignore[misc,valid-type]
    return read


def _wanted(data_set: DataSet, account: Account, query: ReportQuery) -> Wanted:
    frequency = getattr(query, "frequency", "")
    return Wanted(data_set, query.from_, query.to, _span(account, query), frequency)


def _part(
    request: HttpRequest, data_set: DataSet, account: Account, query: ReportQuery
) -> dict[str, Any]:
    wanted = _wanted(data_set, account, query)
    if place := _place(data_set, wanted.frequency, query.cursor):
        wanted = replace(wanted, narrowed=beyond(data_set, place))
    rows = exports.rows_wanted(account, wanted, clock.now())
    part = part_of(data_set, rows, query.limit)
    return {"items": part.rows, "next": _cursor(data_set, wanted.frequency, part.place)}


def _file(
    request: HttpRequest, data_set: DataSet, account: Account, query: ReportQuery
) -> StreamingHttpResponse:
    """The file that the Reports page gives, with the same note in the audit trail."""
    now, wanted = clock.now(), _wanted(data_set, account, query)
    try:
        stream = exports.export(actor_of(request), account, wanted, now)
    except Refused as refusal:
        raise HttpError(503, str(refusal)) from refusal
    name = exports.file_name(account, wanted, today_in(account.zone, now), "csv")
    answer = StreamingHttpResponse(stream, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return answer


def _span(account: Account, query: ReportQuery) -> Span:
    first = min(max(query.from_ or _FIRST, _FIRST), _LAST)
    last = min(max(query.to or _LAST, _FIRST), _LAST)
    return Span(first, last, account.zone)


def _cursor(data_set: DataSet, frequency: str, place: tuple[Any, ...] | None) -> str | None:
    """The place where the next rows begin, as opaque text."""
    if place is None:
        return None
    text = json.dumps([data_set.type, frequency, *(str(each) for each in place)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(data_set: DataSet, frequency: str, cursor: str) -> list[Any]:
    """What `_cursor` has put away; 404 for what it has not, or for another list."""
    if not cursor:
        return []
    model = _model_of(data_set)
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        kind, of, *texts = json.loads(base64.urlsafe_b64decode(padded.encode()))
        if [kind, of, len(texts)] != [data_set.type, frequency, len(data_set.order)]:
            raise ValueError(f"a cursor of {kind}, not of {data_set.type}")
        return [_value(model, name, text) for name, text in zip(data_set.order, texts, strict=True)]
    except (ValueError, TypeError, OverflowError, binascii.Error, ValidationError) as error:
        raise HttpError(404, NO_PAGE) from error


def _value(model: type[models.Model], name: str, text: Any) -> Any:
    field = model._meta.get_field(name)
    if not isinstance(text, str) or "\0" in text or not isinstance(field, models.Field):
        raise TypeError(f"{text!r} is no value of {name}")
    value = field.to_python(text)
    if not isinstance(value, datetime):
        return value
    if timezone.is_naive(value):
        raise ValueError(f"{text} says no offset")
    return value.astimezone(UTC)


for _each in DATA_SETS.values():
    if _each.columns:
        router.get(
            f"/accounts/{{account}}/reports/{_each.type.replace('_', '-')}",
            response={200: _page_schema(_each), **PROBLEMS, 503: Problem},
            openapi_extra={"responses": {200: {"content": _AS_CSV}}},
            summary=f"Read {_each.type.label}",
        )(_reader(_each))
