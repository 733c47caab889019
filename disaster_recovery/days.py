"""What became of each of the last thirty days' backups: one query, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Case, Count, IntegerField, Q, Value, When
from django.db.models.expressions import Combinable

from backups.models import Backup, Replica
from portal.engine import clock
from portal.models import Account

DAYS = 30


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


def days_by_kind(account: Account) -> dict[str, list[Day]]:
    """Thirty days in the account's time zone, today last, of each kind that has any backup."""
    dates = _dates(account)
    bounds = [datetime.combine(each, time(), account.zone) for each in dates]
    rows = Backup.objects.filter(
        # Both, so that the index that has the time after it is searched.
        account=account, is_listed__in=[True, False], created_at__gte=bounds[0], original=None,
    )  # fmt: skip
    by_day = rows.order_by().values("kind", day=_day(bounds, 0, len(bounds)))
    found: dict[str, dict[int, Day]] = {}
    for row in by_day.annotate(**_counts()):
        facts: dict[str, Any] = dict(row)
        kind, day = facts.pop("kind"), facts.pop("day")
        found.setdefault(kind, {})[day] = Day(dates[day], **facts)
    return {
        kind: [of_day.get(i, Day(each)) for i, each in enumerate(dates)]
        for kind, of_day in found.items()
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
