"""Figures and sessions of an account, as the task that counts them would leave them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from portal.models import Account
from reporting.models import (
    DiskStatistic,
    ElasticitySample,
    Frequency,
    Session,
    SessionEvent,
    SessionReport,
    SessionStatistic,
    UsageStatistic,
    UserActivity,
)
from reporting.records import start_of

SYSTEMS = (("pool", "Air 4 vCPU", "Office"), ("persistent_desktop", "Pro 8 vCPU", ""))


def fill(account: Account, now: datetime, days: int = 400) -> None:
    """Days and months of figures up to now; sessions and samples of the last days."""
    today = now.astimezone(account.zone).date()
    starts = [today - timedelta(days=back) for back in range(days)]
    for day in starts:
        _figures(account, Frequency.DAY, day, day + timedelta(days=1), 20 + day.day)
    for month in sorted({day.replace(day=1) for day in starts}):
        after = (month + timedelta(days=32)).replace(day=1)
        _figures(account, Frequency.MONTH, month, after, 600 + 10 * month.month)
        _report(account, month, after)
    _sessions(account, now)
    _samples(account, now)


def _figures(account: Account, frequency: str, first: date, after: date, count: int) -> None:
    period = {
        "account": account,
        "frequency": frequency,
        "period_start": start_of(first, account.zone),
        "period_end": start_of(after, account.zone),
    }
    for number, (system, instance, pool) in enumerate(SYSTEMS):
        kind = {"system": system, "instance_type": instance, "pool": pool}
        SessionStatistic.objects.create(
            **period, **kind, session_count=count // (number + 1), total_seconds=count * 3000,
            distance_count=count // (number + 1), distance_km=count * 40.0, unique_users=count // 3,
        )  # fmt: skip
        UsageStatistic.objects.create(**period, **kind, used_seconds=count * 2700)
    for number, kind_of_volume in enumerate(("enterprise_profile", "personal_drive")):
        DiskStatistic.objects.create(
            **period, volume_type=kind_of_volume, volume_count=40,
            size_bytes=(900 + count + 300 * number) * 2**30, gb_hours=24.0 * (900 + count),
        )  # fmt: skip


def _report(account: Account, first: date, after: date) -> None:
    start, end = (start_of(day, account.zone) for day in (first, after))
    SessionReport.objects.create(
        account=account, period_start=start, period_end=end, month=f"{first:%Y-%m}",
        unique_users=140 + first.month, session_count=900 + first.month, used_seconds=3_600_000,
        total_seconds=3_700_000, peak_concurrent=30 + first.month,
        peak_at=start + timedelta(days=9, hours=10), first_session_at=start, last_session_at=start,
    )  # fmt: skip


def _sessions(account: Account, now: datetime) -> None:
    for number in range(60):
        start = now - timedelta(hours=11 * number + 1)
        user = f"user-{number % 7}@meridian.example"
        is_live = number < 2
        session = Session.objects.create(
            account=account, session_id=f"session-{number:04}", user_name=user, email=user,
            first_name="Ada", last_name=f"Byron-{number % 7}", started_at=start,
            state="active" if is_live else "closed", machine_name=f"air-{number % 5:02}",
            ended_at=None if is_live else start + timedelta(minutes=50), pool="Office",
            close_reason="" if is_live else "logged_out", instance_type="Air 4 vCPU",
            client_ip="10.20.4.17", client_os="Windows 11", browser="Edge",
            average_latency_ms=23.4, distance_km=41.2,
        )  # fmt: skip
        SessionEvent.objects.create(
            account=account, session=session, event_id=f"event-{number}", type="started",
            occurred_at=start, received_at=start,
        )  # fmt: skip
        UserActivity.objects.get_or_create(
            account=account, user_name=user,
            period_start=start_of(start.astimezone(account.zone).date(), account.zone),
            defaults={
                "period_end": start_of(
                    start.astimezone(account.zone).date() + timedelta(days=1), account.zone
                ),
                "first_name": "Ada", "last_name": f"Byron-{number % 7}", "email": user,
                "first_seen_at": start, "last_seen_at": start, "session_count": 1,
                "used_seconds": 3000 + number, "last_instance_type": "Air 4 vCPU",
            },
        )  # fmt: skip


def _samples(account: Account, now: datetime) -> None:
    for number in range(24 * 20):
        at = now - timedelta(hours=number)
        busy = 4 + at.hour % 12
        ElasticitySample.objects.create(
            account=account, at=at, pool="Office", instance_type="Air 4 vCPU", min_servers=2,
            buffer_servers=2, max_servers=20, running=busy + 2, in_session=busy, available=2,
        )  # fmt: skip
