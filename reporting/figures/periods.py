"""Hours, days and months as figures have them: hours of UTC, days and months of a time zone.

Consecutive periods are given by their edges, in UTC: one more than there are periods. Times of
one zone are compared by the wall clock in Python, so that a day with two three o'clocks would
be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from reporting.records.periods import start_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def hour_of(moment: datetime) -> datetime:
    """The hour that a moment is in."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def quarter_of(moment: datetime) -> datetime:
    """The quarter of an hour that a moment is in."""
    return hour_of(moment) + timedelta(minutes=moment.minute // 15 * 15)


def first_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day, in UTC."""
    return start_of(day, zone).astimezone(UTC)


def next_month(first: date) -> date:
    """The first day of the month after that of ``first``."""
    return (first.replace(day=1) + timedelta(days=31)).replace(day=1)


def edges_of_days(first: date, last: date, zone: ZoneInfo) -> list[datetime]:
    """Edges of these days, both included; a day has 23 or 25 hours when clocks change."""
    return [first_of_day(first + DAY * n, zone) for n in range((last - first).days + 2)]


def edges_of_month(first: date, zone: ZoneInfo) -> list[datetime]:
    return [first_of_day(first, zone), first_of_day(next_month(first), zone)]


def edges_of_hours(since: datetime, until: datetime) -> list[datetime]:
    """Edges of all hours that have a part in this span: a day may begin within an hour."""
    begin, edges = hour_of(since), []
    while begin < until:
        edges.append(begin)
        begin += HOUR
    return [*edges, begin]


def runs_of(days: Iterable[date], longest: int) -> list[tuple[date, date]]:
    """Days as spans without a gap, first and last, each of so many at most."""
    runs: list[tuple[date, date]] = []
    for day in sorted(days):
        if runs and day - runs[-1][1] == DAY and (day - runs[-1][0]).days < longest:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs
