"""The eleven data sets (R144 to R154); columns as `shared/reporting.md` has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, FloatField, Max, Min, Q, QuerySet, Sum, TextField, Value
from django.db.models.expressions import Expression
from django.db.models.functions import Cast, Concat, NullIf, Substr

from portal.models import Account, AuditEntry, Notification, Task
from reporting.models import (
    DataType,
    DiskStatistic,
    ElasticitySample,
    Frequency,
    Session,
    SessionReport,
    SessionStatistic,
    UsageStatistic,
    UserActivity,
)
from reporting.records.columns import Column, IsoTime, Kind, Seconds

Rows = QuerySet[Any, Any]


def _together(rows: Rows) -> Rows:
    return rows


@dataclass(frozen=True)
class DataSet:
    """One type of data: where its rows come from, and what is written of them.

    ``time`` is the field that a span of time is about; ``order`` has no two rows alike, and
    begins with an index after the account. ``fresh`` says which rows are not too old, where that
    is not a matter of ``time``. ``grouped`` makes one row of many, after they were narrowed.
    """

    type: DataType
    rows: Callable[[Account], Rows]
    time: str
    order: tuple[str, ...]
    columns: tuple[Column, ...] = ()
    frequencies: tuple[Frequency, ...] = ()
    fresh: Callable[[datetime], Q] | None = None
    grouped: Callable[[Rows], Rows] = _together
    # A row is about a whole month: a span that begins within it is about it too.
    is_monthly: bool = False

    def not_older(self, cutoff: datetime) -> Q:
        """Rows that are not yet too old at this cutoff."""
        return self.fresh(cutoff) if self.fresh else Q(**{f"{self.time}__gte": cutoff})


def _labelled(rows: Rows, account: Account) -> Rows:
    """Give rows of one account its names, as text: tables joined for them cost the row order."""
    organization = Value(account.organization.name, output_field=TextField())
    labelled: Rows = rows.annotate(
        account_label=Value(account.name, output_field=TextField()), organization_label=organization
    )
    return labelled


def _over(value: str, divisor: str | float) -> Expression:
    """One number over another; nothing over zero."""
    below = divisor if isinstance(divisor, int | float) else NullIf(F(divisor), 0)
    return Cast(F(value), FloatField()) / below


_TIME, _ID, _INTEGER, _NUMBER = Kind.TIME, Kind.ID, Kind.INTEGER, Kind.NUMBER
_WORD, _JSON = Kind.WORD, Kind.JSON
_ORGANIZATION = Column("organization", "organization_label")
_ACCOUNT = Column("account", "account_label")
_PERIOD = (
    Column("period_start", "period_start", _TIME),
    Column("period_end", "period_end", _TIME),
    Column("frequency", "frequency", _WORD),
)

AUDIT_TRAIL = DataSet(
    DataType.AUDIT_TRAIL,
    lambda account: _labelled(AuditEntry.objects.filter(account=account), account),
    time="at",
    order=("at", "id"),
    columns=(
        Column("date_time", "at", _TIME),
        Column("first_name", "first_name"),
        Column("last_name", "last_name"),
        Column("email", "email"),
        Column("actor", "actor_label"),
        Column("action", "action", _WORD),
        Column("result", "result", _WORD),
        Column("entity_type", "target_type", _WORD),
        Column("entity_name", "target_label"),
        Column("entity_id", "target_id"),
        _ORGANIZATION,
        _ACCOUNT,
        Column("details", "detail", _JSON),
        Column("ip_address", "source"),
        Column("api_client", "api_client"),
        Column("request_id", "request_id"),
    ),
)

SESSION_TRAIL = DataSet(
    DataType.SESSION_TRAIL,
    lambda account: _labelled(Session.objects.filter(account=account), account),
    time="started_at",
    order=("started_at", "id"),
    # It is old so long after its end; one that is live is not.
    fresh=lambda cutoff: Q(ended_at=None) | Q(ended_at__gte=cutoff),
    columns=(
        Column("session_id", "session_id"),
        Column("start_time", "started_at", _TIME),
        Column("end_time", "ended_at", _TIME),
        Column("duration_seconds", Seconds("started_at", "ended_at"), _INTEGER),
        Column("status", "state", _WORD),
        Column("first_name", "first_name"),
        Column("last_name", "last_name"),
        Column("email", "email"),
        Column("user", "user_name"),
        _ACCOUNT,
        Column("launchpad", "launchpad"),
        Column("application", "application"),
        Column("instance_type", "instance_type"),
        Column("pool", "pool"),
        Column("vm_id", "machine_id"),
        Column("vm_name", "machine_name"),
        Column("client_ip", "client_ip"),
        Column("client_os", "client_os"),
        Column("browser", "browser"),
        Column("distance_km", "distance_km", _NUMBER),
        Column("avg_latency_ms", "average_latency_ms", _NUMBER),
        Column("close_reason", "close_reason", _WORD),
    ),
)

_HOURS = (Frequency.HOUR, Frequency.DAY, Frequency.MONTH)

SESSIONS = DataSet(
    DataType.SESSIONS,
    lambda account: SessionStatistic.objects.filter(account=account),
    time="period_start",
    order=("period_start", "system", "instance_type", "pool"),
    frequencies=_HOURS,
    columns=(
        *_PERIOD,
        Column("system", "system", _WORD),
        Column("instance_type", "instance_type"),
        Column("pool", "pool"),
        Column("session_count", "session_count", _INTEGER),
        Column("avg_session_seconds", _over("total_seconds", "session_count"), _NUMBER),
        Column("avg_distance_km", _over("distance_km", "distance_count"), _NUMBER),
        Column("unique_users", "unique_users", _INTEGER),
    ),
)

USAGE = DataSet(
    DataType.USAGE,
    lambda account: UsageStatistic.objects.filter(account=account),
    time="period_start",
    order=("period_start", "system", "instance_type", "pool"),
    frequencies=_HOURS,
    columns=(
        *_PERIOD,
        Column("system", "system", _WORD),
        Column("pool", "pool"),
        Column("instance_type", "instance_type"),
        Column("hours", _over("used_seconds", 3600), _NUMBER),
    ),
)

DISK_USAGE = DataSet(
    DataType.DISK_USAGE,
    lambda account: DiskStatistic.objects.filter(account=account),
    time="period_start",
    order=("period_start", "volume_type"),
    frequencies=(Frequency.DAY, Frequency.MONTH),
    columns=(
        *_PERIOD,
        Column("volume_type", "volume_type", _WORD),
        Column("volume_count", "volume_count", _INTEGER),
        Column("size_gb", _over("size_bytes", 2**30), _NUMBER),
        Column("gb_hours", "gb_hours", _NUMBER),
    ),
)

ELASTICITY = DataSet(
    DataType.ELASTICITY,
    lambda account: ElasticitySample.objects.filter(account=account),
    time="at",
    order=("at", "pool", "instance_type"),
    columns=(
        Column("time", "at", _TIME),
        Column("pool", "pool"),
        Column("instance_type", "instance_type"),
        *(
            Column(name, name, _INTEGER)
            for name in (
                "min_servers", "buffer_servers", "max_servers", "running", "in_session",
                "available", "starting", "stopped", "waiting_users",
            )
        ),
    ),
)  # fmt: skip


# Twenty-seven characters of a time, then the type: the greatest is that of the last day.
_LAST_TYPE = Max(Concat(IsoTime("period_start"), "last_instance_type", output_field=TextField()))


def _by_user(rows: Rows) -> Rows:
    """The days of each user added up."""
    of_user = rows.order_by().values("account", "user_name")
    added: Rows = of_user.annotate(
        user_first_name=Max("first_name"),
        user_last_name=Max("last_name"),
        user_email=Max("email"),
        provider=Max("identity_provider"),
        first_seen=Min("first_seen_at"),
        last_seen=Max("last_seen_at"),
        sessions=Sum("session_count"),
        seconds=Sum("used_seconds"),
        instance=Substr(_LAST_TYPE, 28),
    )
    return added


USER_ACTIVITY = DataSet(
    DataType.USER_ACTIVITY,
    lambda account: UserActivity.objects.filter(account=account),
    time="period_start",
    order=("user_name",),
    # A day is old so long after its end.
    fresh=lambda cutoff: Q(period_end__gt=cutoff),
    grouped=_by_user,
    columns=(
        Column("user", "user_name"),
        Column("user_first_name", "user_first_name"),
        Column("user_last_name", "user_last_name"),
        Column("email", "user_email"),
        Column("identity_provider", "provider"),
        Column("first_seen", "first_seen", _TIME),
        Column("last_seen", "last_seen", _TIME),
        Column("session_count", "sessions", _INTEGER),
        Column("total_hours", _over("seconds", 3600), _NUMBER),
        Column("avg_session_minutes", _over("seconds", "sessions") / 60, _NUMBER),
        Column("last_instance_type", "instance"),
    ),
)

SESSION_REPORTS = DataSet(
    DataType.SESSION_REPORTS,
    lambda account: _labelled(SessionReport.objects.filter(account=account), account),
    time="period_start",
    order=("period_start",),
    is_monthly=True,
    columns=(
        Column("month", "month", _WORD),
        _ORGANIZATION,
        _ACCOUNT,
        Column("unique_users", "unique_users", _INTEGER),
        Column("sessions", "session_count", _INTEGER),
        Column("total_hours", _over("used_seconds", 3600), _NUMBER),
        Column("peak_concurrent", "peak_concurrent", _INTEGER),
        Column("peak_time", "peak_at", _TIME),
        Column("avg_session_minutes", _over("total_seconds", "session_count") / 60, _NUMBER),
        Column("first_session", "first_session_at", _TIME),
        Column("last_session", "last_session_at", _TIME),
    ),
)

# Seen on pages of their own, and no further (R147, R152, R154).
TASKS = DataSet(
    DataType.TASKS,
    lambda account: Task.objects.filter(account=account).on_top(),
    time="created_at",
    order=("created_at", "id"),
    fresh=lambda cutoff: Q(ended_at=None) | Q(ended_at__gte=cutoff),
)
NOTIFICATIONS = DataSet(
    DataType.NOTIFICATIONS,
    lambda account: Notification.objects.filter(account=account),
    time="created_at",
    order=("created_at", "id"),
)
SESSION_LOGS = DataSet(
    DataType.SESSION_LOGS,
    lambda account: Session.objects.filter(account=account),
    time="started_at",
    order=("started_at", "id"),
    fresh=lambda cutoff: Q(ended_at=None) | Q(ended_at__gte=cutoff),
)

DATA_SETS = {
    each.type: each
    for each in (
        SESSION_REPORTS, AUDIT_TRAIL, SESSIONS, TASKS, USAGE, USER_ACTIVITY, DISK_USAGE,
        ELASTICITY, NOTIFICATIONS, SESSION_TRAIL, SESSION_LOGS,
    )
}  # fmt: skip
