"""Sessions of an account counted into its figures: whole periods are computed and replaced.

So a period counted twice is as counted once, and a session that changed is never counted
twice. A period is computed only while all its sessions are there: see `oldest_of`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Model, Q

from portal.models import Account
from reporting.figures.periods import edges_of_days, edges_of_hours, edges_of_month
from reporting.figures.tally import Activities, Kind, Month, Tally, Told
from reporting.models import (
    Counted,
    DataType,
    Frequency,
    Session,
    SessionReport,
    SessionStatistic,
    System,
    UsageStatistic,
    UserActivity,
)
from reporting.records.periods import cutoff_of

ROWS_AT_ONCE = 500
SECOND = timedelta(seconds=1)
# The purge goes by its own clock, and may go on while a period is computed.
MARGIN = timedelta(minutes=10)
_COLUMNS = (
    "started_at", "ended_at", "user_name", "resource__kind", "instance_type", "pool",
    "distance_km", "first_name", "last_name", "email", "identity_provider",
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """Whose sessions are counted, in which zone, as they are now; of nothing before ``oldest``."""

    account: Account
    zone: ZoneInfo
    now: datetime
    oldest: datetime | None = None


def oldest_of(counted: Counted, now: datetime) -> datetime | None:
    """No period that began earlier may be computed again: sessions of it may be purged.

    None: all sessions there ever were are kept.
    """
    cutoff = cutoff_of(now, DataType.SESSION_TRAIL)
    bounds = [cutoff + MARGIN] if cutoff else []
    if counted.purged_until:
        bounds.append(counted.purged_until)
    return max(bounds, default=None)


@transaction.atomic
def count_days(look: Look, first: date, last: date) -> None:
    """Replace the figures of these days, and of every hour with a part in them."""
    days = edges_of_days(first, last, look.zone)
    hours = edges_of_hours(days[0], days[-1])
    if look.oldest and hours[0] < look.oldest:
        del hours[0]
    tallies = {Frequency.HOUR: Tally(hours), Frequency.DAY: Tally(days)}
    activities = Activities(days)
    for told in _sessions(look, min(hours[0], days[0]), max(hours[-1], days[-1])):
        for tally in tallies.values():
            tally.add(told)
        activities.add(told)
    _replace_statistics(look.account, tallies)
    _replace(UserActivity, look.account, _starting(days), _activity_rows(look.account, activities))


@transaction.atomic
def count_month(look: Look, first: date) -> None:
    """Replace the figures of the month that begins on this day."""
    edges = edges_of_month(first, look.zone)
    tally, month = Tally(edges), Month(edges)
    for told in _sessions(look, edges[0], edges[1]):
        tally.add(told)
        month.add(told)
    _replace_statistics(look.account, {Frequency.MONTH: tally})
    rows = [] if month.is_empty else [_report(look.account, month, f"{first:%Y-%m}")]
    _replace(SessionReport, look.account, _starting(edges), rows)


def _sessions(look: Look, since: datetime, until: datetime) -> Iterator[Told]:
    """Sessions with a part in this span, in the order of their start."""
    sessions = Session.objects.filter(account=look.account).order_by("started_at", "id")
    earlier = sessions.filter(Q(ended_at=None) | Q(ended_at__gt=since), started_at__lt=since)
    within = sessions.filter(started_at__gte=since, started_at__lt=until)
    parts = [rows.values_list(*_COLUMNS).iterator(chunk_size=2000) for rows in (earlier, within)]
    kinds: dict[tuple[str | None, str, str], Kind] = {}
    for started, ended, user, machine, instance_type, pool, *facts in chain(*parts):
        key = (machine, instance_type, pool)
        kind = kinds.get(key)
        if kind is None:
            kind = kinds[key] = Kind(_system(machine), instance_type, pool)
        yield Told(started, max(started, ended or look.now), user, kind, *facts)


def _system(kind: str | None) -> str:
    return kind if kind in System.values else System.POOL


# Rows


def _replace_statistics(account: Account, tallies: dict[Frequency, Tally]) -> None:
    where = Q()
    for frequency, tally in tallies.items():
        tally.settle()
        where |= Q(frequency=frequency) & _starting(tally.edges)
    started = [
        SessionStatistic(
            **_period(account, tally.edges, number),
            frequency=frequency,
            **kind._asdict(),
            session_count=each.session_count,
            total_seconds=each.total // SECOND,
            distance_count=each.distance_count,
            distance_km=each.distance_km,
            unique_users=each.unique_users,
        )
        for frequency, tally in tallies.items()
        for (number, kind), each in tally.started.items()
    ]
    _replace(SessionStatistic, account, where, started)
    used = [
        UsageStatistic(
            **_period(account, tally.edges, number),
            frequency=frequency,
            **kind._asdict(),
            used_seconds=each // SECOND,
        )
        for frequency, tally in tallies.items()
        for (number, kind), each in tally.used.items()
    ]
    _replace(UsageStatistic, account, where, used)


def _activity_rows(account: Account, activities: Activities) -> list[UserActivity]:
    return [
        UserActivity(
            **_period(account, activities.edges, number),
            user_name=user,
            first_name=each.first_name,
            last_name=each.last_name,
            email=each.email,
            identity_provider=each.identity_provider,
            first_seen_at=each.first_seen_at,
            last_seen_at=each.last_seen_at,
            session_count=each.session_count,
            used_seconds=each.used // SECOND,
            last_instance_type=each.last_instance_type,
        )
        for (number, user), each in activities.found.items()
    ]


def _report(account: Account, month: Month, name: str) -> SessionReport:
    return SessionReport(
        **_period(account, month.edges, 0),
        month=name,
        unique_users=len(month.users),
        session_count=month.session_count,
        used_seconds=month.used // SECOND,
        total_seconds=month.total // SECOND,
        peak_concurrent=month.peak,
        peak_at=month.peak_at,
        first_session_at=month.first_session_at,
        last_session_at=month.last_session_at,
    )


def _period(account: Account, edges: list[datetime], number: int) -> dict[str, Any]:
    return {
        "account_id": account.pk,
        "period_start": edges[number],
        "period_end": edges[number + 1],
    }


def _starting(edges: list[datetime]) -> Q:
    return Q(period_start__gte=edges[0], period_start__lt=edges[-1])


def _replace(model: type[Model], account: Account, where: Q, rows: Sequence[Any]) -> None:
    """One statement for what was there, and one for each few hundred rows that are."""
    model._default_manager.filter(where, account=account).delete()
    model._default_manager.bulk_create(rows, batch_size=ROWS_AT_ONCE)


def forget_across(account: Account, first_day: datetime, first_month: datetime | None) -> None:
    """Remove days and a month of another zone that reach into what is counted by a new one.

    Else the hours that both have would be there twice.
    """
    for edge, frequency in ((first_day, Frequency.DAY), (first_month, Frequency.MONTH)):
        if edge is None:
            continue
        across = Q(account=account, period_start__lt=edge, period_end__gt=edge)
        for model in (SessionStatistic, UsageStatistic):
            model.objects.filter(across, frequency=frequency).delete()
        plain = UserActivity if frequency == Frequency.DAY else SessionReport
        plain.objects.filter(across).delete()
