"""Kinds of value the API takes in. Each refuses what its description in OpenAPI refuses."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any

from ninja import Schema
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, ConfigDict, StringConstraints

# Text of one line: what cannot be stored or shown is refused.
Line = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]*$")]

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)")


def _is_written(value: Any) -> Any:
    """Refuse numbers, which would be taken for seconds."""
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("a time is written like 2026-03-02T09:00:00Z")
    return value


def _in_utc(at: datetime) -> datetime:
    """The same instant in UTC; the first or last there is where that would leave the calendar."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return _FIRST if at.year == 1 else _LAST


def _is_day(value: Any) -> Any:
    """Refuse numbers here too, and times."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("a day is written like 2026-03-02")
    return value


Day = Annotated[date, BeforeValidator(_is_day)]
# A moment with its offset from UTC.
Instant = Annotated[AwareDatetime, BeforeValidator(_is_written), AfterValidator(_in_utc)]


class Strict(Schema):
    """A body: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid")


# A name: one line that neither begins nor ends with a blank.
_SHOWN = r"[^\s\x00-\x1f\x7f-\x9f]"
Title = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=100, pattern=rf"^{_SHOWN}([^\x00-\x1f\x7f-\x9f]*{_SHOWN})?$"
    ),
]
# Some lines of text.
Text = Annotated[
    str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$")
]
