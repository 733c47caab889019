"""Removing an account's rows, but for the types of data that outlive it until their period ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Exists, Model, OuterRef

from backups.models import Backup, Replica
from portal.engine.workflow import Again, Learned
from portal.models import Account, Resource, Task
from reporting.models import ApiKey, DataAvailability, DataType
from reporting.purge.batches import referring_to, remove_rows
from reporting.purge.rules import SOURCES
from reporting.records import is_kept
from reporting.termination.deleting import account_of

PORTION = 500
# In this order: each refers to those after it.
FIRST: tuple[type[Model], ...] = (Replica, Backup, Resource)
TOMBSTONES = 100


def _outliving() -> set[type[Model]]:
    """Tables of the types that are trimmed at their period: they outlive an account until then."""
    trimmed = (each for each in DataAvailability.objects.all() if not is_kept(each))
    return {source.model for each in trimmed for source in SOURCES[DataType(each.data_type)]}


def _tables() -> Iterator[tuple[type[Model], str]]:
    """Tables whose rows go with the account, each with its field that names the account."""
    staying = {Account, ApiKey, *_outliving()}
    others = {each.related_model: each.field.name for each in referring_to(Account)}
    names = sorted(others, key=lambda model: model._meta.label)
    for model in (*FIRST, *(each for each in names if each not in FIRST)):
        if model not in staying:
            yield model, others[model]


def forget_portion(task: Task, learned: Learned) -> Learned | Again:
    """Remove the next rows; the tables are looked at from the first on, as most are empty by then.

    What a type's period says is read each time: nothing goes that is to stay by now.
    """
    account, removed = account_of(task), int(task.memory.get("rows_removed", 0))
    for model, field in _tables():
        rows = model._base_manager.filter(**{field: account}).order_by("pk")
        keys = list(rows.exclude(pk=task.pk).values_list("pk", flat=True)[:PORTION])
        if keys:
            if model is Resource:
                Task.objects.filter(resource__in=keys).update(resource=None)
            remove_rows(model, keys)
            removed += len(keys)
            return Again({"rows_removed": removed}, message=f"{removed:,} rows removed")
    return {"rows_removed": removed}


def remove_tombstones() -> int:
    """Remove terminated accounts of which no record is kept any more; return how many."""
    gone = Account.objects.filter(terminated_at__isnull=False)
    for model in {source.model for sources in SOURCES.values() for source in sources}:
        gone = gone.exclude(Exists(model._base_manager.filter(account=OuterRef("pk"))))
    keys: list[Any] = list(gone.values_list("pk", flat=True)[:TOMBSTONES])
    if keys:
        remove_rows(Account, keys)
    return len(keys)
