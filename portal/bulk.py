"""Rows made by the database out of other rows, for what would be too slow one object at a time.

`bulk_create` takes some 200 µs of Python for a row of thirty columns; a statement that
selects what it inserts takes a hundredth of that, and reads the same on both databases.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, connections, models
from django.db.models import Expression, F, Func, QuerySet, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import MD5, Cast, Concat

ROWS_A_STATEMENT = 200


def insert_from(model: type[models.Model], rows: QuerySet[Any], values: Mapping[str, Any]) -> int:
    """Insert a row of ``model`` for each of ``rows``; one whose keys are taken is left out.

    Returns how many were inserted.

    ``values`` gives columns by field: expressions over ``rows``, or constants. The others
    get their field's default.
    """
    fields = [
        field
        for field in model._meta.concrete_fields
        # A serial number is the database's to give.
        if not field.generated and not isinstance(field, models.AutoField)
    ]
    columns = {field: _column(field, values) for field in fields}
    named = {f"into_{field.attname}": column for field, column in columns.items()}
    select, params = rows.order_by().annotate(**named).values_list(*named).query.sql_with_params()
    connection = connections[rows.db]
    quoted = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({quoted}) {select} ON CONFLICT DO NOTHING", params)
        return int(cursor.rowcount)


def update_each(model: type[models.Model], changes: Mapping[Any, Mapping[str, Any]]) -> None:
    """Write these columns of these rows, by primary key: a statement for each few hundred rows.

    Rows of which the same columns change go together, so that no other column is written.
    """
    lock_in_order(model._default_manager.filter(pk__in=among(list(changes))))
    alike: dict[tuple[str, ...], list[models.Model]] = {}
    for pk, values in changes.items():
        alike.setdefault(tuple(sorted(values)), []).append(model(pk=pk, **values))
    for columns, rows in alike.items():
        model._default_manager.bulk_update(rows, columns, batch_size=ROWS_A_STATEMENT)


def lock_in_order(rows: QuerySet[Any]) -> None:
    """Lock rows, by primary key, that the transaction is about to write.

    Two that write many of the same rows would else wait for each other, until the database ends
    one. SQLite has one writer at a time.
    """
    if connection.features.has_select_for_update:
        list(rows.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True))


def _column(field: models.Field[Any, Any], values: Mapping[str, Any]) -> Expression | F:
    given = values[field.name] if field.name in values else field.get_default()
    if isinstance(given, Expression | F):
        return given
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    return Value(given, output_field=target)


def uuid_from(*parts: Any) -> Expression:
    """An id made from these expressions: the same again whenever they are the same."""
    return _AsUuid(MD5(Concat(*parts, output_field=models.TextField())))


def uuid_of(digits: Any) -> Expression:
    """An id of thirty-two hexadecimal digits."""
    return _AsUuid(digits)


def among(ids: Sequence[UUID]) -> RawSQL:
    """Ids for ``pk__in=`` as one parameter; thousands of them take long to put together."""
    if connection.vendor == "postgresql":
        return RawSQL("SELECT unnest(%s::uuid[])", [list(ids)])
    given = json.dumps([pk.hex for pk in ids])
    return RawSQL("SELECT value FROM json_each(%s)", [given])


class _AsUuid(Func):
    """Thirty-two hexadecimal digits as the database keeps a UUID."""

    output_field = models.UUIDField()
    template = "(%(expressions)s)::uuid"

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="%(expressions)s", **extra)


class Dashed(Func):
    """A UUID as text, the way Python writes it."""

    output_field = models.TextField()
    template = "(%(expressions)s)::text"

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        """SQLite keeps the digits alone."""
        digits, params = compiler.compile(self.source_expressions[0])
        places = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        parts = [f"substr({digits}, {start}, {length})" for start, length in places]
        return " || '-' || ".join(parts), [*params] * len(places)


def as_text(expression: Any) -> Expression:
    """A column as text, for putting together."""
    return Cast(expression, models.TextField())
