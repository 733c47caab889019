"""The report to print (R143, R144): one file of HTML for a period, with everything in it.

Its style and pictures are its own, as it is opened from a disk, where neither our style sheet nor
our policy is. Every text is escaped by the template.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import F
from django.template.loader import render_to_string

from portal.audit import Actor
from portal.models import Account
from reporting import analytics
from reporting.analytics import Analysis, Period, Series
from reporting.charts import bars_of
from reporting.exports import Wanted, note, rows_wanted
from reporting.models import DataType, Frequency, SessionReport
from reporting.records import DATA_SETS, Span

TOP_USERS = 20
# Longer periods have a bar a month.
_MOST_DAYS = 62


def write_report(actor: Actor, account: Account, wanted: Wanted, now: datetime) -> str:
    """Return the report of the span as HTML, and say in the audit who took it along."""
    months: list[SessionReport] = list(rows_wanted(account, wanted, now))
    span = wanted.span or Span(now.date(), now.date(), account.zone)
    text = render_to_string(
        "reporting/session_report.html",
        {
            "account": account,
            "organization": account.organization,
            "span": span,
            "now": now,
            "months": months,
            "charts": [*_charts(account, span, now), _peaks(months)],
            "users": _top_users(account, span, now),
        },
    )
    note(actor, account, wanted, rows=str(len(months)))
    return text


def _charts(account: Account, span: Span, now: datetime) -> list[Analysis]:
    """What is starred besides: Sessions, Usage and Disk Usage."""
    frequency = Frequency.DAY if span.days <= _MOST_DAYS else Frequency.MONTH
    found = []
    for data_type in (DataType.SESSIONS, DataType.USAGE, DataType.DISK_USAGE):
        wanted = Wanted(DATA_SETS[data_type], span=span, frequency=frequency)
        rows = rows_wanted(account, wanted, now)
        found.append(analytics.analyse(data_type, rows, span, frequency, now))
    return found


def _peaks(months: list[SessionReport]) -> Analysis:
    """The most sessions at a time, month by month."""
    numbers = [[float(month.peak_concurrent)] for month in months]
    titles = [f"{month.month}: {month.peak_concurrent}" for month in months]
    chart = bars_of(numbers, ["solid"], titles)
    periods = tuple(Period(month.month, (f"{month.peak_concurrent:,}",)) for month in months)
    most = max((month.peak_concurrent for month in months), default=0)
    series, totals = (Series("Peak", "solid"),), (("Most at a time", f"{most:,}"),)
    return Analysis("Peak concurrency", "sessions", series, ("Peak",), periods, chart, totals)


def _top_users(account: Account, span: Span, now: datetime) -> list[dict[str, Any]]:
    """Those who were in session longest, with hours and sessions."""
    wanted = Wanted(DATA_SETS[DataType.USER_ACTIVITY], span=span)
    rows = rows_wanted(account, wanted, now).order_by("-seconds", "user_name")
    named = rows.annotate(hours=F("seconds") / 3600.0)
    return list(
        named.values("user_name", "user_first_name", "user_last_name", "sessions", "hours")[
            :TOP_USERS
        ]
    )
