"""Which rows go with which type of data, and by what time they are too old."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.sessions.models import Session as SignIn
from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet

from backups.models import Backup, Replica
from portal.models import AuditEntry, Notification, Task
from reporting.models import (
    Counted,
    DataAvailability,
    DataType,
    DiskSample,
    DiskStatistic,
    ElasticitySample,
    Session,
    SessionEvent,
    SessionReport,
    SessionStatistic,
    UsageStatistic,
    UserActivity,
    Wait,
)
from reporting.records import available_from, is_kept

Rows = QuerySet[Any, Any]


def _any(cutoff: datetime) -> Q:
    return Q()


@dataclass(frozen=True)
class Source:
    """A table whose rows go with a type of data.

    ``time`` is a field with an index. A row is too old where that is before the cutoff, or, for
    the end of a period, which is the first moment after it, at the cutoff (``is_end``). ``only``
    says which of these may go at all; ``held`` ones go only when others have gone. ``let_go`` is
    given keys, as ``__in`` takes them, of rows that are about to go: others refer to them that
    must not go with them.
    """

    model: type[Model]
    time: str
    is_end: bool = False
    only: Callable[[datetime], Q] = _any
    held: Q | None = None
    let_go: Callable[[Any], None] | None = None

    def too_old(self, cutoff: datetime) -> Rows:
        """Rows that are no longer promised to anybody at this cutoff."""
        lookup = f"{self.time}__{'lte' if self.is_end else 'lt'}"
        return self.model._base_manager.filter(self.only(cutoff), **{lookup: cutoff})

    def left_behind(self) -> Rows:
        """Rows of accounts that are terminated."""
        return self.model._base_manager.filter(account__terminated_at__isnull=False)


class _Days(Source):
    """A day is over in its account's zone, wherever that is, a day after it is over in UTC."""

    def too_old(self, cutoff: datetime) -> Rows:
        return self.model._base_manager.filter(
            **{f"{self.time}__lt": (cutoff - timedelta(days=1)).date()}
        )


def _let_go_of_tasks(keys: Any) -> None:
    """Backups and replicas outlive the task that made them, and are still called after it."""
    for model in (Backup, Replica):
        made = model._base_manager.filter(task__in=keys)
        made.update(purged_task=F("task_id"), task=None)


def _ended(cutoff: datetime) -> Q:
    return ~Q(state__in=Task.ACTIVE)


# Without their parent they would look like tasks that somebody asked for.
_HAS_CHILDREN = Q(Exists(Task.objects.filter(parent=OuterRef("pk"))))


def _counted(cutoff: datetime) -> Q:
    """Sessions that are in the figures, which outlive them; a terminated account has none."""
    counted = Counted.objects.filter(
        account=OuterRef("account"), sessions_until__gt=OuterRef("changed_at")
    )
    return Q(account__terminated_at__isnull=False) | Q(Exists(counted))


def _of_ended_session(cutoff: datetime) -> Q:
    # A session's end is the time of its last event, so the index on that finds these alone.
    return Q(session__ended_at__lt=cutoff)


SOURCES: dict[DataType, tuple[Source, ...]] = {
    DataType.SESSION_REPORTS: (Source(SessionReport, "period_end", is_end=True),),
    DataType.AUDIT_TRAIL: (Source(AuditEntry, "at"),),
    DataType.SESSIONS: (Source(SessionStatistic, "period_end", is_end=True),),
    DataType.TASKS: (
        Source(Task, "ended_at", only=_ended, held=_HAS_CHILDREN, let_go=_let_go_of_tasks),
    ),
    DataType.USAGE: (Source(UsageStatistic, "period_end", is_end=True),),
    DataType.USER_ACTIVITY: (Source(UserActivity, "period_end", is_end=True),),
    DataType.DISK_USAGE: (
        Source(DiskStatistic, "period_end", is_end=True),
        _Days(DiskSample, "day"),
    ),
    DataType.ELASTICITY: (Source(ElasticitySample, "at"),),
    DataType.NOTIFICATIONS: (Source(Notification, "created_at"),),
    DataType.SESSION_TRAIL: (
        Source(Wait, "asked_at"),
        Source(Session, "ended_at", only=_counted),
    ),
    DataType.SESSION_LOGS: (Source(SessionEvent, "occurred_at", only=_of_ended_session),),
}
# Promised to nobody, and of no account: sign-ins that have run out.
SIGN_INS = (Source(SignIn, "expire_date"),)


@dataclass(frozen=True)
class Due:
    """What of a type is to go: what is older than ``cutoff``; None where none is too old."""

    cutoff: datetime | None
    sources: tuple[Source, ...]

    def rows(self, source: Source, account: UUID | None = None) -> Rows:
        """Rows of one of the sources that are to go, of one account or of all.

        Without a cutoff they stay as long as their account lives, and go with it.
        """
        rows = source.too_old(self.cutoff) if self.cutoff else source.left_behind()
        return rows.filter(account=account) if account else rows

    def free_rows(self, source: Source, account: UUID | None = None) -> Rows:
        """Those of them that can go now."""
        rows = self.rows(source, account)
        return rows.exclude(source.held) if source.held else rows


def due(availability: DataAvailability, now: datetime) -> Due:
    """What of a type is to go now, by the period that holds now."""
    cutoff = None if is_kept(availability) else available_from(availability, now)
    return Due(cutoff, SOURCES[DataType(availability.data_type)])
