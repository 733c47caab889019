"""Questions that nearly every page asks, put into SQL once.

Such a question takes the database a fraction of the time the ORM takes to write it down, and it
differs from one asking to the next in ids alone. So the ORM writes it once, with marks in the
places of the ids, and from then on those are all that is filled in.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, models

Statement = tuple[str, Sequence[Any]]


class Prepared:
    """A statement that is kept. ``write`` is given an id for each place, and returns it.

    It must put nothing else into the statement that changes, such as a time or somebody's
    words. Columns should be numbers or text: they come as the database has them.
    """

    def __init__(self, write: Callable[..., Statement]) -> None:
        self._write = write
        # By kind of database. Two threads may write the same statement; either will do.
        self._kept: dict[str, tuple[str, list[Any]]] = {}

    def rows(self, *ids: UUID) -> list[tuple[Any, ...]]:
        """Ask with these ids."""
        if connection.vendor not in self._kept:
            self._kept[connection.vendor] = self._written(len(ids))
        sql, kept = self._kept[connection.vendor]
        given = [_as_stored(each) for each in ids]
        params = [given[each.number] if isinstance(each, _Place) else each for each in kept]
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            return list(cursor.fetchall())

    def _written(self, count: int) -> tuple[str, list[Any]]:
        marks = [uuid.uuid4() for _ in range(count)]
        places = {_as_stored(mark): _Place(number) for number, mark in enumerate(marks)}
        sql, params = self._write(*marks)
        return sql, [places.get(each, each) for each in params]


class _Place:
    """Where an id goes, by its number."""

    def __init__(self, number: int) -> None:
        self.number = number


def _as_stored(pk: UUID) -> Any:
    return _FIELD.get_db_prep_value(pk, connection)


_FIELD: models.UUIDField[UUID, UUID] = models.UUIDField()
