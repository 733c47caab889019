"""Columns of a data set: what the API answers, and the text that stands in a file.

The text is made by the database: it is there that a million rows are written fast. Both
databases write the same.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Case, F, Func, IntegerField, TextField, Value, When
from django.db.models.expressions import Expression
from django.db.models.functions import Cast, Coalesce
from django.db.models.lookups import In

from portal.bulk import Dashed


class Kind(enum.Enum):
    """How a column is written. A WORD is out of our own lists: never a formula."""

    TEXT = "text"
    WORD = "word"
    JSON = "json"
    TIME = "time"
    ID = "id"
    INTEGER = "integer"
    NUMBER = "number"


@dataclass(frozen=True)
class Column:
    """``source`` is a field's path or an expression over the rows. Numbers have two decimals."""

    name: str
    source: str | Expression
    kind: Kind = Kind.TEXT

    @property
    def value(self) -> F | Expression:
        """What the database is asked for."""
        return F(self.source) if isinstance(self.source, str) else self.source

    @property
    def text(self) -> Expression:
        """The column as it stands in a file; never NULL."""
        return Coalesce(_TEXTS[self.kind](self.value), Value(""), output_field=TextField())

    def for_api(self, value: Any) -> Any:
        """The value as JSON has it; times look as in a file."""
        if value is None:
            return None
        if self.kind is Kind.NUMBER:
            return round(float(value), 2)
        if self.kind is Kind.TIME and isinstance(value, datetime):
            return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
        return str(value) if self.kind is Kind.ID else value


class Seconds(Func):
    """Whole seconds from one time to another."""

    output_field = IntegerField()

    arity = 2

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        start, end = map(compiler.compile, self.source_expressions)
        sql = f"CAST(FLOOR(EXTRACT(EPOCH FROM {end[0]} - {start[0]})) AS bigint)"
        return sql, [*end[1], *start[1]]

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """Of the text: SQLite's own arithmetic rounds to milliseconds."""
        start, end = map(compiler.compile, self.source_expressions)
        till, since = (f"strftime('%%s', substr({sql}, 1, 19))" for sql, _ in (end, start))
        whole = f"{till} - {since}"
        # Fractions have six digits, or none at all.
        less = f"(substr({end[0]}, 20) < substr({start[0]}, 20))"
        return f"({whole} - {less})", [*end[1], *start[1], *end[1], *start[1]]


class IsoTime(Func):
    """A time as ``2020-02-27T19:08:53.892063Z``."""

    output_field = TextField()
    template = "to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """Kept as text in UTC, with a fraction where there is one."""
        sql, params = compiler.compile(self.source_expressions[0])
        iso = (
            f"replace({sql}, ' ', 'T') || CASE WHEN length({sql}) > 19 THEN 'Z' ELSE '.000000Z' END"
        )
        return f"({iso})", [*params, *params]


class _Fixed(Func):
    """A number with two decimals."""

    output_field = TextField()
    template = "to_char((%(expressions)s)::numeric, 'FM99999999999999999990.00')"

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """Rounds as PostgreSQL does, which looks at fifteen digits: 1.005 is 1.01."""
        sql, params = compiler.compile(self.source_expressions[0])
        # printf would write NULL as zero.
        text = f"printf('%%.2f', {sql} * 1.000000000000002)"
        return f"CASE WHEN {sql} IS NOT NULL THEN {text} END", [*params, *params]


class _FirstCode(Func):
    """The code point of a text's first character; none, or zero, for an empty one."""

    function = "ascii"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, function="unicode", **extra)


# A spreadsheet takes a cell for a formula that begins with one of these, narrow or wide, or
# with a character that it passes over.
_FORMULA = [ord(character) for character in "=+-@\t\r\n＝＋－＠"]  # noqa: RUF001


def _guarded(value: F | Expression) -> Expression:
    text = Cast(value, TextField())
    is_formula = In(_FirstCode(text), _FORMULA)
    return Case(When(is_formula, then=_Quoted(text)), default=text, output_field=TextField())


class _Quoted(Func):
    """A text with an apostrophe before it, which a spreadsheet reads as: this is text."""

    output_field = TextField()
    template = "('''' || %(expressions)s)"


_TEXTS: dict[Kind, Callable[[F | Expression], Expression]] = {
    Kind.TEXT: _guarded,
    Kind.WORD: lambda value: Cast(value, TextField()),
    Kind.JSON: lambda value: Cast(value, TextField()),
    Kind.TIME: IsoTime,
    Kind.ID: Dashed,
    Kind.INTEGER: lambda value: Cast(value, TextField()),
    Kind.NUMBER: _Fixed,
}
