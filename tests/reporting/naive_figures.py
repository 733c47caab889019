"""Figures worked out the slow way: every period against every session, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from itertools import groupby, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from portal.models import Account
from reporting.models import (
    Session,
    SessionReport,
    SessionStatistic,
    UsageStatistic,
    UserActivity,
)

Period = tuple[datetime, datetime]
Row = tuple[Any, ...]
HOUR = timedelta(hours=1)


def kept(account: Account) -> dict[str, list[Row]]:
    """What the tables have."""
    kind = ("system", "instance_type", "pool")
    period = ("frequency", "period_start", "period_end", *kind)
    return {
        "sessions": _rows(
            SessionStatistic, account, *period, "session_count", "total_seconds",
            "distance_count", "unique_users",
        ),
        "usage": _rows(UsageStatistic, account, *period, "used_seconds"),
        "activity": _rows(
            UserActivity, account, "period_start", "period_end", "user_name", "first_seen_at",
            "last_seen_at", "session_count", "used_seconds",
        ),
        "reports": _rows(
            SessionReport, account, "month", "period_start", "period_end", "unique_users",
            "session_count", "used_seconds", "total_seconds", "peak_concurrent", "peak_at",
            "first_session_at", "last_session_at",
        ),
    }  # fmt: skip


def _rows(model: Any, account: Account, *columns: str) -> list[Row]:
    return sorted(map(tuple, model.objects.filter(account=account).values_list(*columns)), key=str)


def expected(account: Account, now: datetime) -> dict[str, list[Row]]:
    """What they ought to have, of all sessions there are."""
    sessions = list(Session.objects.filter(account=account).select_related("resource"))
    for each in sessions:
        each.ended_at = max(each.ended_at or now, each.started_at)
    found: dict[str, list[Row]] = {"sessions": [], "usage": [], "activity": [], "reports": []}
    if not sessions:
        return found
    since = min(each.started_at for each in sessions)
    until = max(each.ended_at for each in sessions if each.ended_at) + timedelta(seconds=1)
    for name, periods in _periods(since, until, account.zone).items():
        for period in periods:
            found["sessions"] += _of_kinds(_started(sessions, period), name, period, _counts)
            used = [each for each in sessions if _overlap(each, period)]
            found["usage"] += _of_kinds(used, name, period, lambda of, p: (_used(of, p),))
            if name == "day":
                found["activity"] += _activity(sessions, period)
            if name == "month":
                found["reports"] += _report(sessions, period, account.zone)
    return {name: sorted(rows, key=str) for name, rows in found.items()}


def _periods(since: datetime, until: datetime, zone: ZoneInfo) -> dict[str, list[Period]]:
    """All periods of each length that have a part in this span."""
    days = {(since + HOUR * n).astimezone(zone).date() for n in range(-24, _hours(since, until))}
    starts = sorted({datetime.combine(day, time(), zone).astimezone(UTC) for day in days})
    firsts = sorted({day.replace(day=1) for day in days})
    months = [datetime.combine(day, time(), zone).astimezone(UTC) for day in firsts]
    last = (firsts[-1] + timedelta(days=31)).replace(day=1)
    months.append(datetime.combine(last, time(), zone).astimezone(UTC))
    first = since.replace(minute=0, second=0, microsecond=0)
    hours = [first + HOUR * n for n in range(_hours(since, until))]
    return {
        name: list(pairwise(edges))
        for name, edges in (("hour", hours), ("day", starts), ("month", months))
    }


def _hours(since: datetime, until: datetime) -> int:
    return int((until - since) / HOUR) + 50


def _overlap(session: Session, period: Period) -> timedelta:
    ended = session.ended_at or session.started_at
    return max(timedelta(0), min(ended, period[1]) - max(session.started_at, period[0]))


def _used(sessions: Iterable[Session], period: Period) -> int:
    return sum((_overlap(each, period) for each in sessions), timedelta(0)) // timedelta(seconds=1)


def _started(sessions: Iterable[Session], period: Period) -> list[Session]:
    return [each for each in sessions if period[0] <= each.started_at < period[1]]


def _lasted(sessions: Iterable[Session]) -> int:
    lengths = ((each.ended_at or each.started_at) - each.started_at for each in sessions)
    return sum(lengths, timedelta(0)) // timedelta(seconds=1)


def _of_kinds(
    sessions: list[Session], name: str, period: Period, count: Callable[[Any, Period], Row]
) -> list[Row]:
    rows = []
    for kind, group in groupby(sorted(sessions, key=_kind), key=_kind):
        rows.append((name, *period, *kind, *count(list(group), period)))
    return rows


def _kind(session: Session) -> tuple[str, str, str]:
    system = session.resource.kind if session.resource else "pool"
    return system, session.instance_type, session.pool


def _counts(sessions: list[Session], period: Period) -> Row:
    users = {each.user_name for each in sessions}
    far = [each for each in sessions if each.distance_km is not None]
    return len(sessions), _lasted(sessions), len(far), len(users)


def _activity(sessions: list[Session], period: Period) -> list[Row]:
    rows = []
    for user in {each.user_name for each in sessions}:
        own = [each for each in sessions if each.user_name == user]
        started = _started(own, period)
        seen = [each for each in own if _overlap(each, period) or each in started]
        if seen:
            first = max(period[0], min(each.started_at for each in seen))
            last = min(period[1], max(each.ended_at or first for each in seen))
            rows.append((*period, user, first, last, len(started), _used(seen, period)))
    return rows


def _report(sessions: list[Session], period: Period, zone: ZoneInfo) -> list[Row]:
    started = _started(sessions, period)
    overlapping = [each for each in sessions if _overlap(each, period)]
    if not started and not overlapping:
        return []
    moments = sorted({max(each.started_at, period[0]) for each in overlapping})
    at_once = {
        at: sum(each.started_at <= at < (each.ended_at or at) for each in sessions)
        for at in moments
    }
    peak = max(at_once.values(), default=0)
    peak_at = next((at for at in moments if at_once[at] == peak), None)
    starts = sorted(each.started_at for each in started)
    ends = (starts[0], starts[-1]) if starts else (None, None)
    users = len({each.user_name for each in started})
    month = f"{period[0].astimezone(zone):%Y-%m}"
    used = _used(overlapping, period)
    return [(month, *period, users, len(started), used, _lasted(started), peak, peak_at, *ends)]
