"""Records of every type at a moment, for tests of what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from portal.engine import clock, start
from portal.engine.runner import Runner
from portal.models import Account, Task
from reporting.models import (
    Counted,
    DataType,
    DiskSample,
    DiskStatistic,
    ElasticitySample,
    Frequency,
    Session,
    SessionEvent,
    SessionReport,
    SessionStatistic,
    UsageStatistic,
    UserActivity,
    Wait,
)
from reporting.purge.workflow import PURGE
from tests.clock import JumpClock
from tests.factories import AuditEntryFactory, NotificationFactory, TaskFactory


def _session(account: Account, at: datetime) -> Session:
    session = Session.objects.create(
        account=account, session_id=f"{at.isoformat()}", user_name="ann", state="closed",
        started_at=at - timedelta(hours=1), ended_at=at, changed_at=at,
    )  # fmt: skip
    counted, _ = Counted.objects.get_or_create(account=account)
    counted.sessions_until = max(counted.sessions_until or at, at + timedelta(seconds=1))
    counted.save()
    return session


def _event(account: Account, at: datetime) -> SessionEvent:
    """The end of a session."""
    return SessionEvent.objects.create(
        account=account, session=_session(account, at), event_id=f"{at.isoformat()}",
        type="closed", occurred_at=at,
    )  # fmt: skip


def _figure(model: type[Any], **values: Any) -> Callable[[Account, datetime], Any]:
    """A row about the day that ends then."""

    def make(account: Account, at: datetime) -> Any:
        return model.objects.create(
            account=account, period_start=at - timedelta(days=1), period_end=at, **values
        )

    return make


def _waited(account: Account, at: datetime) -> Wait:
    return Wait.objects.create(account=account, user_name="ann", asked_at=at, free_at=at)


DAY = {"frequency": Frequency.DAY}
MAKE: dict[DataType, Callable[[Account, datetime], Any]] = {
    DataType.SESSION_REPORTS: _figure(SessionReport, month="2025-01"),
    DataType.AUDIT_TRAIL: lambda account, at: AuditEntryFactory(account=account, at=at),
    DataType.SESSIONS: _figure(SessionStatistic, **DAY, system="pool"),
    DataType.TASKS: lambda account, at: TaskFactory(account=account, created_at=at, ended_at=at),
    DataType.USAGE: _figure(UsageStatistic, **DAY, system="pool"),
    DataType.USER_ACTIVITY: lambda account, at: _figure(
        UserActivity, user_name="ann", first_seen_at=at, last_seen_at=at
    )(account, at),
    DataType.DISK_USAGE: _figure(DiskStatistic, **DAY, volume_type="personal_drive"),
    DataType.ELASTICITY: lambda account, at: ElasticitySample.objects.create(
        account=account, at=at, pool="Office"
    ),
    DataType.NOTIFICATIONS: lambda account, at: NotificationFactory(account=account, created_at=at),
    DataType.SESSION_TRAIL: _session,
    DataType.SESSION_LOGS: _event,
}


def disk_sample(account: Account, at: datetime) -> DiskSample:
    return DiskSample.objects.create(
        account=account, resource_id=account.pk, day=at.date(), volume_type="personal_drive"
    )


def waited(account: Account, at: datetime) -> Wait:
    return _waited(account, at)


def is_there(row: Any) -> bool:
    found: bool = type(row)._base_manager.filter(pk=row.pk).exists()
    return found


def begin_purge(now: datetime) -> tuple[Task, JumpClock]:
    """A purge asked for at this moment, and a clock that shows it."""
    passing = JumpClock()
    passing.time = now
    with clock.using(passing):
        return start(PURGE, title="Purge records"), passing


def purge(now: datetime) -> Task:
    """Run one to its end."""
    task, passing = begin_purge(now)
    Runner(clock=passing, threads=2).run(seconds=86_400)
    task.refresh_from_db()
    return task
