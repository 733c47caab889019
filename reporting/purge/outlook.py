"""What a purge would take away: counted by the database, whatever the number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import Count, Min

from reporting.models import DataAvailability, DataType
from reporting.purge.rules import Due, due


@dataclass(frozen=True)
class Outlook:
    """How many rows of a type are to go, and the time of the oldest of them."""

    rows: int
    oldest: date | datetime | None


def outlook_of(wanted: Due, account: UUID | None = None) -> Outlook:
    """Count what is to go, of one account or of all."""
    rows, times = 0, []
    for source in wanted.sources:
        found = wanted.rows(source, account).aggregate(n=Count("pk"), oldest=Min(source.time))
        rows += found["n"]
        times.append(found["oldest"])
    # The first of the tables that has any: days and times do not compare.
    return Outlook(rows, next(filter(None, times), None))


def outlooks(
    now: datetime, data_type: str = "", account: UUID | None = None
) -> Iterator[tuple[DataAvailability, Due, Outlook]]:
    """What is to go now of each type, or of one."""
    for availability in DataAvailability.objects.order_by("position"):
        if not data_type or availability.data_type == DataType(data_type):
            wanted = due(availability, now)
            yield availability, wanted, outlook_of(wanted, account)
