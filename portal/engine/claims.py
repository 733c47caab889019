"""Who works on what: admission to a cloud account, claims with leases, checkpoints fenced by them.

Every statement here is conditional, so that any number of runners on any number of
hosts may run them at once. Recovery after a crash is the same claim, once the lease
has run out.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import (
    Case,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Greatest

from portal.models import Account, CloudAccount, Task

State = Task.State

# Everything the engine changes on a task, written whole at each checkpoint.
CHECKPOINT = (
    "state", "step", "step_started_at", "operation", "attempts", "crashes", "percent", "message",
    "error", "error_detail", "advice", "memory", "steps", "lease_owner", "lease_until",
    "next_wake_at", "deadline_at", "ended_at",
)  # fmt: skip
# Of these, what only the holder of the lease moves.
_COURSE = tuple(name for name in CHECKPOINT if name not in {"lease_until", "next_wake_at"})


def admit(now: datetime) -> None:
    """Let queued tasks start within their cloud account's limit, in turn between accounts."""
    queued = Task.objects.filter(state=State.QUEUED)
    if not queued.exists():
        return
    _let_start(queued.filter(cloud_account=None), now)
    waiting = CloudAccount.objects.filter(Exists(queued.filter(cloud_account=OuterRef("pk"))))
    for pk in list(waiting.values_list("pk", flat=True)):
        with transaction.atomic():
            # The row lock makes the count true: two runners admit one after the other.
            locked = CloudAccount.objects.select_for_update()
            cloud_account = locked.only("max_tasks", "max_transfers", "customer").get(pk=pk)
            _fill(cloud_account, cloud_account.max_tasks, now, is_transfer=False)
            _fill(cloud_account, cloud_account.max_transfers, now, is_transfer=True)


def _fill(cloud_account: CloudAccount, limit: int, now: datetime, *, is_transfer: bool) -> None:
    """Give the free places at a cloud account away; transfers have places of their own."""
    tasks = Task.objects.filter(cloud_account=cloud_account.pk, is_transfer=is_transfer)
    started: Counter[UUID | None] = Counter(
        tasks.filter(state__in=Task.STARTED).values_list("account", flat=True)
    )
    places = limit - started.total()
    queued = tasks.filter(state=State.QUEUED)
    if places > 0 and queued.exists():
        chosen = _chosen(cloud_account, queued, started, places)
        _let_start(Task.objects.filter(pk__in=chosen), now)


def _let_start(tasks: QuerySet[Task], now: datetime) -> None:
    """Begin what waited for a place; its time to finish counts from now on."""
    tasks.filter(state=State.QUEUED).update(
        state=State.RUNNING,
        started_at=now,
        deadline_at=ExpressionWrapper(
            F("deadline_at") + (Value(now) - F("created_at")), output_field=DateTimeField()
        ),
    )


def _chosen(
    cloud_account: CloudAccount,
    queued: QuerySet[Task],
    started: Mapping[UUID | None, int],
    places: int,
) -> list[UUID]:
    """Give each place to the account that has the fewest, then to the one that waits longest.

    Asks for the oldest of each account alone: ten thousand may wait.
    """
    lines = {
        account: deque(
            queued.filter(account=account)
            .order_by("created_at")
            .values_list("created_at", "pk")[:places]
        )
        for account in _in_line(cloud_account, queued)
    }
    heap = [(started.get(account, 0), line[0], account) for account, line in lines.items() if line]
    heapify(heap)
    chosen: list[UUID] = []
    while heap and len(chosen) < places:
        has, (_, pk), account = heappop(heap)
        chosen.append(pk)
        lines[account].popleft()
        if lines[account]:
            heappush(heap, (has + 1, lines[account][0], account))
    return chosen


def _in_line(cloud_account: CloudAccount, queued: QuerySet[Task]) -> list[UUID | None]:
    """Accounts of which something waits; None for what no account asked for."""
    accounts = Account.objects.filter(organization__customer=cloud_account.customer_id)
    waiting = accounts.filter(Exists(queued.filter(account=OuterRef("pk"))))
    return [None, *waiting.values_list("pk", flat=True)]


def _due(now: datetime) -> QuerySet[Task]:
    is_open = Q(cloud_account=None) | Q(cloud_account__busy_until=None)
    return Task.objects.filter(
        Q(lease_until=None) | Q(lease_until__lt=now),
        is_open | Q(cloud_account__busy_until__lte=now),
        state__in=Task.STARTED,
        next_wake_at__lte=now,
    )


def claim(owner: str, now: datetime, lease: timedelta, limit: int) -> list[Task]:
    """Take up to ``limit`` due tasks for ``owner``. A former owner's lease counts as a crash.

    Its own are under way in it, however late it is to renew their leases.
    """
    free = _due(now).exclude(lease_owner=owner)
    if limit <= 0 or not free.exists():
        return []
    with transaction.atomic():
        due = free.order_by("next_wake_at")
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, of=("self",))
        ids = list(due.values_list("pk", flat=True)[:limit])
        Task.objects.filter(pk__in=ids).update(
            crashes=F("crashes") + Case(When(lease_owner="", then=0), default=1),
            lease_owner=Value(owner),
            lease_until=now + lease,
        )
        return list(Task.objects.filter(pk__in=ids).order_by("next_wake_at"))


def let_go(owner: str, at_work: Collection[UUID]) -> None:
    """Give back what a claim took whose answer was lost: all the owner's that is not at work."""
    leased = Task.objects.filter(lease_owner=owner, state__in=Task.STARTED)
    leased.exclude(pk__in=at_work).update(lease_owner="", lease_until=None)


def renew(owner: str, until: datetime) -> None:
    """Keep the owner's leases alive while long calls are in flight."""
    # What is leased has started: an index finds it among a million that have ended.
    leased = Task.objects.filter(lease_owner=owner, state__in=Task.STARTED)
    leased.update(lease_until=until)


def checkpoint(tasks: Sequence[Task], owner: str) -> set[UUID]:
    """Write what the engine changed; return ids whose lease was lost. Their rows stay."""
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
    lost = set()
    with connection.cursor() as cursor:
        # In one order with all who write many tasks at once.
        for task in sorted(tasks, key=lambda task: task.pk):
            values = (getattr(task, field.attname) for field in fields)
            row = [
                field.get_db_prep_save(value, connection)
                for field, value in zip(fields, values, strict=True)
            ]
            cursor.execute(sql, [*row, key.get_db_prep_save(task.pk, connection), owner])
            if not cursor.rowcount:
                lost.add(task.pk)
    return lost


def stands_at(task: Task, before: Mapping[str, Any], owner: str) -> bool:
    """Whether the task's row is still what it was before a transaction of unknown outcome.

    Times to wake and to hold are left out: people and children move them, too.
    """
    row = Task.objects.filter(pk=task.pk, lease_owner=owner).values(*_COURSE).first()
    if row is None:
        return False
    return all(_as_kept(row[name]) == _as_kept(before[name]) for name in _COURSE)


def _as_kept(value: Any) -> Any:
    """JSON knows no tuples, and gives back lists."""
    return json.loads(json.dumps(value)) if isinstance(value, dict | list) else value


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
