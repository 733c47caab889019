"""Taking one batch of rows away, and whatever hangs on them, in a few statements.

Batches go in order of time, each from where the one before ended: while an export holds an old
snapshot, rows that are gone are still in the index, and to pass by them again each time would
make every batch slower than the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import CASCADE, PROTECT, SET_NULL, ManyToOneRel, Model

from portal.bulk import among
from reporting.purge.rules import Rows, Source


@dataclass(frozen=True)
class Batch:
    """How many rows are gone, and from what time on there may be more; None: there are none."""

    removed: int
    ahead: date | datetime | None


def remove_batch(source: Source, rows: Rows, size: int, since: str | None) -> Batch:
    """Remove the first ``size`` of these rows of the source by time, from ``since`` (ISO) on.

    In the caller's transaction. Two purges at once do not harm each other; each counts its own.
    """
    time = source.time
    start = None if since is None else rows.model._meta.get_field(time).to_python(since)
    if start is not None:
        rows = rows.filter(**{f"{time}__gte": start})
    rows = rows.order_by(time)
    if source.let_go or referring_to(rows.model):
        return _remove_by_key(source, rows, size)
    edge = rows.values_list(time, flat=True)[size : size + 1].first()
    if edge is not None and edge == start:
        # More of them at one moment than a batch may have.
        return _remove_by_key(source, rows, size)
    return _remove_up_to(rows, time, edge)


def _remove_up_to(rows: Rows, time: str, edge: date | datetime | None) -> Batch:
    """Remove a stretch of time, which costs hardly more than one DELETE of everything does."""
    found: Any = rows.order_by()
    if edge is not None:
        found = found.filter(**{f"{time}__lt": edge})
    return Batch(found._raw_delete(found.db), edge)


def _remove_by_key(source: Source, rows: Rows, size: int) -> Batch:
    """Leaves rows alone that another purge has locked: they are its own."""
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True, of=("self",))
    found = list(rows.values_list("pk", source.time)[:size])
    if not found:
        return Batch(0, None)
    keys = [pk for pk, _at in found]
    if source.let_go:
        source.let_go(_all_of(keys))
    remove_rows(source.model, keys)
    if connection.vendor == "postgresql":
        # Looked at here, not at the commit, so that it counts as time of the batch.
        connection.check_constraints()
    return Batch(len(found), found[-1][1])


def referring_to(model: type[Model]) -> list[ManyToOneRel]:
    """What refers to rows of a table, also where it has no name for that on this side."""
    fields = model._meta.get_fields(include_hidden=True)
    return [each for each in fields if isinstance(each, ManyToOneRel)]


def remove_rows(model: type[Model], keys: Sequence[Any]) -> None:
    """Remove rows by key, what hangs on them first; one statement for each table."""
    for relation in referring_to(model):
        hanging: Any = relation.related_model._base_manager.filter(
            **{f"{relation.field.name}__in": _all_of(keys)}
        )
        if relation.on_delete is SET_NULL:
            hanging.update(**{relation.field.name: None})
        elif relation.on_delete is PROTECT:
            continue  # the source has let go of these
        elif relation.on_delete is not CASCADE:
            raise TypeError(f"{relation.field} says nothing of what is too old")
        elif referring_to(relation.related_model):
            remove_rows(relation.related_model, list(hanging.values_list("pk", flat=True)))
        else:
            hanging._raw_delete(hanging.db)
    rows: Any = model._base_manager.filter(pk__in=_all_of(keys))
    rows._raw_delete(rows.db)


def _all_of(keys: Sequence[Any]) -> Any:
    return among(keys) if keys and isinstance(keys[0], UUID) else keys
