"""From when on records are there (R144 to R156), and the span of time somebody asks for.

A month is a calendar month in UTC. Counted back from a day the other month does not have, it
is that month's last day, so that nothing goes before its months are over.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from reporting.models import DataAvailability, DataType


def months_before(moment: datetime, months: int) -> datetime:
    """The same time of day so many calendar months earlier."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def available_from(availability: DataAvailability, now: datetime) -> datetime | None:
    """The oldest moment of which records are promised; None without limit."""
    if availability.months is None:
        return None
    return months_before(now, availability.months)


def cutoff_of(now: datetime, *types: DataType) -> datetime | None:
    """The oldest moment of which records of all these types are promised; None without limit."""
    rows = DataAvailability.objects.filter(pk__in=types)
    return max(filter(None, (available_from(row, now) for row in rows)), default=None)


def is_kept(availability: DataAvailability) -> bool:
    """Whether its records stay as long as the account lives, whatever the period says (Q1)."""
    return availability.is_starred or availability.months is None


@dataclass(frozen=True)
class Span:
    """Days of a time zone, both included."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def since(self) -> datetime:
        """The first moment within it."""
        return start_of(self.first, self.zone)

    @property
    def until(self) -> datetime:
        """The first moment after it."""
        return start_of(self.last + timedelta(days=1), self.zone)

    @property
    def since_month(self) -> datetime:
        """The first moment of the month it begins in."""
        return start_of(self.first.replace(day=1), self.zone)


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day in a zone."""
    return datetime.combine(day, time.min, zone)
