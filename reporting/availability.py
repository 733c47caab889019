"""The table of data availability (R142 to R156) for one account and one span of days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.urls import reverse

from portal.models import Account
from portal.paging import capped_counts
from reporting.models import DataAvailability, DataType, Frequency, SessionReport
from reporting.records import DATA_SETS, DataSet, Span, available_from, is_kept, rows_of
from reporting.records.datasets import Rows
from reporting.spans import days_in_words, today_in

# Where a type is looked at; the first three have no download.
_PAGES: Mapping[str, tuple[str, str]] = {
    DataType.TASKS: ("reporting:task_list", "View tasks"),
    DataType.NOTIFICATIONS: ("reporting:notification_list", "View notifications"),
    DataType.SESSION_LOGS: ("reporting:session_log_list", "View sessions"),
    DataType.AUDIT_TRAIL: ("reporting:audit_list", ""),
    DataType.SESSION_TRAIL: ("reporting:session_list", ""),
}
CHARTED = (DataType.SESSIONS, DataType.USAGE, DataType.DISK_USAGE, DataType.ELASTICITY)


@dataclass(frozen=True)
class Line:
    """A line of the table. ``count`` is text; ``since`` a day of the account's time zone."""

    availability: DataAvailability
    since: date
    gone: str
    count: str
    page: str
    page_label: str

    @property
    def stays(self) -> bool:
        """Whether what is older than the period is there too (Q1)."""
        return is_kept(self.availability)


def frequency_of(data_set: DataSet, wanted: str) -> str:
    """The frequency asked for, or days where the data set does not have it; "" without any."""
    if not data_set.frequencies:
        return ""
    return wanted if wanted in data_set.frequencies else Frequency.DAY


def lines_of(account: Account, span: Span, frequency: str, now: datetime) -> list[Line]:
    """Every type of data, in the table's order: three queries, whatever there is to count."""
    table = list(DataAvailability.objects.all())
    sets: dict[str, Rows] = {}
    for each in table:
        data_set = DATA_SETS[DataType(each.data_type)]
        found = frequency_of(data_set, frequency)
        sets[each.data_type] = rows_of(data_set, account, each, span, now, frequency=found)
    counts = capped_counts(sets)
    return [_line(account, each, span, now, counts[each.data_type]) for each in table]


def _line(
    account: Account, availability: DataAvailability, span: Span, now: datetime, count: str
) -> Line:
    since = since_of(account, availability, now)
    name, label = _PAGES.get(availability.data_type, ("", ""))
    page = reverse(name, args=[account.pk]) if name else ""
    if availability.data_type in CHARTED:
        page = reverse("reporting:analytics_detail", args=[account.pk, availability.data_type])
    gone = gone_of(availability, span, since, today_in(account.zone, now))
    return Line(availability, since, gone, count, page, label)


def since_of(account: Account, availability: DataAvailability, now: datetime) -> date:
    """The first day of the promised period; without limit, the first there is."""
    moment = available_from(availability, now)
    if moment is None:
        first = SessionReport.objects.filter(account=account).order_by("period_start").first()
        moment = min(account.created_at, first.period_start) if first else account.created_at
    return moment.astimezone(account.zone).date()


def gone_of(availability: DataAvailability, span: Span, since: date, today: date) -> str:
    """Which days of the span are no longer available, in words; "" if none."""
    if is_kept(availability) or span.first >= since:
        return ""
    return days_in_words(span.first, min(span.last, since - timedelta(days=1)), today)
