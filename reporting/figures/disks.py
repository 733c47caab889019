"""What volumes take, looked at once on each day of an account's zone (R150).

A day on which the inventory was not read, or nothing ran, is a gap: nothing is made up for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet, Sum

from portal.bulk import insert_from
from portal.engine import clock
from portal.engine.ticks import every_minute
from portal.models import Account, Resource
from portal.outages import is_down
from reporting.figures.periods import edges_of_days, edges_of_month, first_of_day, next_month
from reporting.models import DiskSample, DiskStatistic, Frequency

log = structlog.get_logger(__name__)
GB = 2**30
HOUR = timedelta(hours=1)


@every_minute
def sample_disks() -> None:
    """Look at the volumes of each account once in its day."""
    now = clock.now()
    zones = Account.objects.order_by().values_list("time_zone", flat=True).distinct()
    for zone in list(zones):
        try:
            _sample_zone(ZoneInfo(zone), now)
        except (DatabaseError, ZoneInfoNotFoundError) as error:
            if is_down(error):
                raise  # nobody else gets on either; the next minute tries all of it again
            # Tried again in a minute; it must not hold the others up.
            log.exception("volumes cannot be looked at", zone=zone)


def _sample_zone(zone: ZoneInfo, now: datetime) -> None:
    today = now.astimezone(zone).date()
    for account in list(_due(zone, today)):
        sample_day(account, today)


def _due(zone: ZoneInfo, today: date) -> QuerySet[Account]:
    """Accounts of a zone that have volumes, and no look at them today."""
    sampled = DiskSample.objects.filter(account=OuterRef("pk"), day=today)
    seen = _seen(first_of_day(today, zone)).filter(account=OuterRef("pk"))
    accounts = Account.objects.living().filter(time_zone=zone.key)
    return accounts.filter(Exists(seen), ~Exists(sampled))


def _seen(since: datetime) -> QuerySet[Resource]:
    """Volumes that are there, by an inventory that was read since."""
    volumes = Resource.objects.volumes().filter(is_missing=False)
    return volumes.filter(cloud_account__synced_at__gte=since)


@transaction.atomic
def sample_day(account: Account, day: date) -> int:
    """Keep the size of each volume as the inventory of this day has it; return how many.

    The second time on a day keeps nothing.
    """
    volumes = _seen(first_of_day(day, account.zone)).filter(account=account)
    made = insert_from(
        DiskSample,
        volumes,
        {
            "account": F("account"),
            "resource_id": F("pk"),
            "day": day,
            "volume_type": F("kind"),
            "name": F("name"),
            "user_name": F("user_name"),
            "size_bytes": F("size_bytes"),
        },
    )
    if made:
        add_up(account, day, day)
    return made


@transaction.atomic
def add_up(account: Account, first: date, last: date) -> None:
    """Replace the figures of these days by what their samples add up to, and of their months."""
    edges = edges_of_days(first, last, account.zone)
    samples = DiskSample.objects.filter(account=account, day__range=(first, last)).order_by()
    kinds = samples.values_list("day", "volume_type").annotate(Count("pk"), Sum("size_bytes"))
    rows = []
    for day, kind, count, size in kinds:
        begin, end = edges[(day - first).days : (day - first).days + 2]
        gb_hours = size / GB * ((end - begin) / HOUR)
        rows.append(_row(account, Frequency.DAY, [begin, end], kind, count, size, gb_hours))
    _replace(account, Frequency.DAY, edges, rows)
    month = first.replace(day=1)
    while month <= last:
        _add_up_month(account, month)
        month = next_month(month)


def _add_up_month(account: Account, first: date) -> None:
    """GB-hours of its days; count and size are those of the last day that was looked at."""
    edges = edges_of_month(first, account.zone)
    of_month = DiskStatistic.objects.filter(account=account, frequency=Frequency.DAY)
    days = list(
        of_month.filter(period_start__gte=edges[0], period_start__lt=edges[1]).order_by(
            "period_start", "volume_type"
        )
    )
    rows: dict[str, DiskStatistic] = {}
    for day in days:
        empty = _row(account, Frequency.MONTH, edges, day.volume_type, 0, 0, 0)
        row = rows.setdefault(day.volume_type, empty)
        row.gb_hours += day.gb_hours
        if day.period_start == days[-1].period_start:
            row.volume_count, row.size_bytes = day.volume_count, day.size_bytes
    _replace(account, Frequency.MONTH, edges, rows.values())


def _row(
    account: Account, frequency: str, edges: list[datetime], kind: str, count: int, size: int,
    gb_hours: float,
) -> DiskStatistic:  # fmt: skip
    return DiskStatistic(
        account=account,
        frequency=frequency,
        period_start=edges[0],
        period_end=edges[1],
        volume_type=kind,
        volume_count=count,
        size_bytes=size,
        gb_hours=gb_hours,
    )


def _replace(
    account: Account, frequency: str, edges: list[datetime], rows: Iterable[DiskStatistic]
) -> None:
    there = DiskStatistic.objects.filter(account=account, frequency=frequency)
    there.filter(period_start__gte=edges[0], period_start__lt=edges[-1]).delete()
    DiskStatistic.objects.bulk_create(rows)
