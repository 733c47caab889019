"""Who works on what: admission to a cloud account, claims with leases, checkpoints fenced by them.

Every statement here is conditional, so that any number of runners on any number of
hosts may run them at once. Recovery after a crash is the same claim, once the lease
has run out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Case, F, Min, Q, QuerySet, Value, When, Window
from django.db.models.functions import Coalesce, Greatest, RowNumber

from portal.models import CloudAccount, Task

State = Task.State

# Everything the engine changes on a task, written whole at each checkpoint.
CHECKPOINT = (
    "state", "step", "step_started_at", "operation", "attempts", "crashes", "percent", "message",
    "error", "error_detail", "advice", "memory", "steps", "lease_owner", "lease_until",
    "next_wake_at", "deadline_at", "ended_at",
)  # fmt: skip


def admit(now: datetime) -> None:
    """Let queued tasks start within their cloud account's limit, in turn between accounts."""
    queued = Task.objects.filter(state=State.QUEUED)
    if not queued.exists():
        return
    free = queued.filter(Q(cloud_account=None) | ~Q(cancel_requested_at=None))
    free.update(state=State.RUNNING, started_at=now)
    for pk in list(queued.values_list("cloud_account", flat=True).distinct()):
        with transaction.atomic():
            # The row lock makes the count true: two runners admit one after the other.
            locked = CloudAccount.objects.select_for_update().filter(pk=pk)
            limit = locked.values_list("max_tasks", flat=True).get()
            tasks = Task.objects.filter(cloud_account=pk)
            places = limit - tasks.filter(state__in=Task.STARTED).count()
            if places > 0:
                chosen = _in_turn(tasks.filter(state=State.QUEUED))[:places]
                Task.objects.filter(pk__in=list(chosen), state=State.QUEUED).update(
                    state=State.RUNNING, started_at=now
                )


def _in_turn(queued: QuerySet[Task]) -> QuerySet[Task, object]:
    """Order by turn: each account's oldest first, then each one's second, and so on."""
    turn = Window(RowNumber(), partition_by=F("account"), order_by=F("created_at").asc())
    return queued.annotate(turn=turn).order_by("turn", "created_at").values_list("pk", flat=True)


def _due(now: datetime) -> QuerySet[Task]:
    is_open = Q(cloud_account=None) | Q(cloud_account__busy_until=None)
    return Task.objects.filter(
        Q(lease_until=None) | Q(lease_until__lt=now),
        is_open | Q(cloud_account__busy_until__lte=now),
        state__in=Task.STARTED,
        next_wake_at__lte=now,
    )


def claim(owner: str, now: datetime, lease: timedelta, limit: int) -> list[Task]:
    """Take up to ``limit`` due tasks for ``owner``. A former owner's lease counts as a crash."""
    if limit <= 0 or not _due(now).exists():
        return []
    with transaction.atomic():
        due = _due(now).order_by("next_wake_at")
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, of=("self",))
        ids = list(due.values_list("pk", flat=True)[:limit])
        Task.objects.filter(pk__in=ids).update(
            crashes=F("crashes") + Case(When(lease_owner="", then=0), default=1),
            lease_owner=Value(owner),
            lease_until=now + lease,
        )
        return list(Task.objects.filter(pk__in=ids).order_by("next_wake_at"))


def renew(owner: str, until: datetime) -> None:
    """Keep the owner's leases alive while long calls are in flight."""
    Task.objects.filter(lease_owner=owner).update(lease_until=until)


def checkpoint(tasks: Sequence[Task], owner: str) -> set[UUID]:
    """Write what the engine changed, one statement for all; return ids whose lease was lost."""
    if not tasks:
        return set()
    fields = [field for field in Task._meta.concrete_fields if field.name in CHECKPOINT]
    quote = connection.ops.quote_name
    columns = ", ".join(f"{quote(str(field.column))} = %s" for field in fields)
    key = Task._meta.pk
    # Names of our own table, quoted; every value travels apart.
    sql = (
        f"UPDATE {quote(Task._meta.db_table)} SET {columns} "  # noqa: S608
        f"WHERE {quote('id')} = %s AND {quote('lease_owner')} = %s"
    )
    rows = [
        (
            *(field.get_db_prep_save(getattr(task, field.attname), connection) for field in fields),
            key.get_db_prep_save(task.pk, connection),
            owner,
        )
        for task in tasks
    ]
    with connection.cursor() as cursor:
        held = _held(owner, tasks)
        cursor.executemany(sql, rows)
    return {task.pk for task in tasks} - held


def _held(owner: str, tasks: Sequence[Task]) -> set[UUID]:
    """Ids still leased to the owner, locked until the transaction ends."""
    rows = Task.objects.filter(pk__in=[task.pk for task in tasks], lease_owner=owner)
    return set(rows.select_for_update().values_list("pk", flat=True))


def next_due() -> datetime | None:
    """When the next started task can be claimed; None when there is none."""
    when = Greatest(
        "next_wake_at",
        Coalesce("lease_until", "next_wake_at"),
        Coalesce("cloud_account__busy_until", "next_wake_at"),
    )
    started = Task.objects.filter(state__in=Task.STARTED)
    due: datetime | None = started.aggregate(due=Min(when))["due"]
    return due


def is_work_left() -> bool:
    """Whether any task has not ended."""
    return Task.objects.active().exists()
