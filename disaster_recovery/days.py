"""What became of the backups of each of the last thirty days, by two queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.core.cache import caches
from django.db.models import Case, Count, IntegerField, Q, Value, When
from django.db.models.expressions import Combinable

from backups.models import Backup, Replica
from portal.engine import clock
from portal.models import Account

DAYS = 30
# From so many backups on, counting takes longer than a page should.
REMEMBERED_FROM = 20_000


@dataclass(frozen=True)
class Day:
    """``made`` are complete; of these ``replicated`` have had a complete replica."""

    date: date
    made: int = 0
    replicated: int = 0
    not_made: int = 0
    missed: int = 0
    running: int = 0
    not_replicated: int = 0

    @property
    def local_only(self) -> int:
        """Complete, and not replicated."""
        return self.made - self.replicated

    @property
    def failed(self) -> int:
        """Backups that were not made, and those that could not be replicated."""
        return self.not_made + self.missed + self.not_replicated

    @property
    def due(self) -> int:
        """All that were made, should have been, or are being made."""
        return self.made + self.not_made + self.missed + self.running


Kinds = dict[str, dict[date, Day]]


def days_by_kind(account: Account) -> dict[str, list[Day]]:
    """Thirty days in the account's time zone, today last, of each kind that has any backup."""
    dates = _dates(account)
    ended, today = _ended(account, dates), _counted(account, dates[-1:])
    return {
        kind: [
            (today if each == dates[-1] else ended).get(kind, {}).get(each, Day(each))
            for each in dates
        ]
        for kind in ended.keys() | today.keys()
    }


def days_of(account: Account) -> list[Day]:
    """The same of all kinds together."""
    kinds = list(days_by_kind(account).values())
    if not kinds:
        return [Day(each) for each in _dates(account)]
    return [_sum(days) for days in zip(*kinds, strict=True)]


def _dates(account: Account) -> list[date]:
    today = clock.now().astimezone(account.zone).date()
    return [today - timedelta(days=n) for n in range(DAYS - 1, -1, -1)]


def _ended(account: Account, dates: Sequence[date]) -> Kinds:
    """All but today. Where they are many, what was counted some minutes ago is as good."""
    cache, key = caches["figures"], f"days-{account.pk}-{account.time_zone}-{dates[-1]}"
    known: Kinds | None = cache.get(key)
    if known is not None:
        return known
    found = _counted(account, dates[:-1], dates[-1])
    if sum(day.due for days in found.values() for day in days.values()) >= REMEMBERED_FROM:
        cache.set(key, found)
    return found


def _counted(account: Account, dates: Sequence[date], end: date | None = None) -> Kinds:
    """Days that have any backup, by one query; ``end`` is the day after the last."""
    bounds = [datetime.combine(each, time(), account.zone) for each in dates]
    rows = Backup.objects.filter(
        # Both, so that the index that has the time after it is searched.
        account=account, is_listed__in=[True, False], created_at__gte=bounds[0], original=None,
    )  # fmt: skip
    if end:
        rows = rows.filter(created_at__lt=datetime.combine(end, time(), account.zone))
    by_day = rows.order_by().values("kind", day=_day(bounds, 0, len(bounds)))
    found: Kinds = {}
    for row in by_day.annotate(**_counts()):
        facts: dict[str, Any] = dict(row)
        kind, day = facts.pop("kind"), dates[facts.pop("day")]
        found.setdefault(kind, {})[day] = Day(day, **facts)
    return found


def _day(bounds: Sequence[datetime], first: int, end: int) -> Combinable:
    """The number of the day a backup was begun on: halving takes five comparisons a row.

    Truncating times to days calls Python for every row on SQLite, and a day is not always 24 h.
    """
    if end - first == 1:
        return Value(first, output_field=IntegerField())
    middle = (first + end) // 2
    before = When(created_at__lt=bounds[middle], then=_day(bounds, first, middle))
    return Case(before, default=_day(bounds, middle, end), output_field=IntegerField())


def _counts() -> dict[str, Count]:
    made = Q(completed_at__isnull=False)
    status, replica = Backup.Status, Replica.Status
    return {
        "made": Count("pk", filter=made),
        "replicated": Count("pk", filter=made & Q(replication_status=replica.DONE)),
        "not_made": Count("pk", filter=Q(status=status.FAILED)),
        "missed": Count("pk", filter=Q(status=status.MISSED)),
        "running": Count("pk", filter=Q(status=status.CREATING)),
        "not_replicated": Count("pk", filter=made & Q(replication_status=replica.FAILED)),
    }


def _sum(days: Iterable[Day]) -> Day:
    days = list(days)
    names = ("made", "replicated", "not_made", "missed", "running", "not_replicated")
    return Day(days[0].date, **{name: sum(getattr(day, name) for day in days) for name in names})
