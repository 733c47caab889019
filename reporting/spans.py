"""The days a page is about: From, To, and the ranges that are one click away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from reporting.records import Span

_TO = "\N{EN DASH}"


@dataclass(frozen=True)
class Quick:
    """A range by its name, as days of the account's time zone."""

    label: str
    span: Span

    @property
    def first(self) -> str:
        return f"{self.span.first:%Y-%m-%d}"

    @property
    def last(self) -> str:
        return f"{self.span.last:%Y-%m-%d}"


def quick_ranges(today: date, zone: ZoneInfo) -> Iterator[Quick]:
    """The ranges on offer; each ends today."""
    quarter = date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
    for label, first in (
        ("7 days", today - timedelta(days=6)),
        ("30 days", today - timedelta(days=29)),
        ("This quarter", quarter),
        ("12 months", months_back(today, 12)),
    ):
        yield Quick(label, Span(first, today, zone))


def months_back(today: date, months: int) -> date:
    """The day after the same day so many months ago, so that the months are whole."""
    year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = (following - timedelta(days=1)).day
    return date(year, month + 1, min(today.day, last)) + timedelta(days=1)


def today_in(zone: ZoneInfo, now: datetime) -> date:
    """What day it is there."""
    return now.astimezone(zone).date()


def days_in_words(first: date, last: date, today: date) -> str:
    """``1-19 Sep``, ``1 Sep-19 Oct``, ``19 Sep``, with a dash; with years unless both are this."""
    year = "" if first.year == last.year == today.year else f" {last.year}"
    end = f"{last.day} {last:%b}{year}"
    if first == last:
        return end
    if first.year != last.year:
        return f"{first.day} {first:%b} {first.year}{_TO}{end}"
    if first.month != last.month:
        return f"{first.day} {first:%b}{_TO}{end}"
    return f"{first.day}{_TO}{end}"
