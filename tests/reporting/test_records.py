"""The eleven data sets: from when on they are there, what is in them, page after page."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.models import Account
from reporting.models import (
    DataAvailability,
    DataType,
    DiskStatistic,
    ElasticitySample,
    Frequency,
    Session,
    SessionReport,
    SessionStatistic,
    UsageStatistic,
    UserActivity,
)
from reporting.records import (
    DATA_SETS,
    Span,
    available_from,
    beyond,
    months_before,
    part_of,
    rows_of,
)
from tests.factories import AccountFactory, AuditEntryFactory, NotificationFactory, TaskFactory

NOW = datetime(2025, 11, 20, 12, tzinfo=UTC)
LONDON = ZoneInfo("Europe/London")
SPAN = Span(date(2025, 11, 1), date(2025, 11, 20), LONDON)
WITH_COLUMNS = sorted(name for name, each in DATA_SETS.items() if each.columns)


@pytest.mark.parametrize(
    ("moment", "months", "before"),
    [
        ("2025-11-20T12:00:00.000001", 24, "2023-11-20T12:00:00.000001"),
        ("2025-03-31T00:00:00", 1, "2025-02-28T00:00:00"),
        ("2024-03-31T23:59:59", 1, "2024-02-29T23:59:59"),
        ("2024-02-29T06:00:00", 12, "2023-02-28T06:00:00"),
        ("2024-02-29T06:00:00", 48, "2020-02-29T06:00:00"),
        ("2025-01-15T00:00:00", 1, "2024-12-15T00:00:00"),
    ],
)
def test_months_are_those_of_the_calendar(moment: str, months: int, before: str) -> None:
    assert months_before(datetime.fromisoformat(moment), months).isoformat() == before


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(1, 120))  # noqa: DTZ001
def test_nothing_is_too_old_before_its_months_are_over(moment: datetime, months: int) -> None:
    cutoff = months_before(moment, months)
    year, month = divmod(cutoff.year * 12 + cutoff.month - 1 + months, 12)
    month += 1
    later = cutoff.replace(year=year, month=month, day=min(cutoff.day, monthrange(year, month)[1]))
    assert later <= moment
    assert moment - later < timedelta(days=4)


def test_a_span_is_whole_days_of_its_zone() -> None:
    summer = Span(date(2025, 3, 30), date(2025, 3, 30), LONDON)
    assert summer.since == datetime(2025, 3, 30, 0, tzinfo=UTC)
    assert summer.until == datetime(2025, 3, 30, 23, tzinfo=UTC)
    assert summer.days == 1
    assert SPAN.since_month == datetime(2025, 11, 1, tzinfo=UTC)


@pytest.fixture
def account(db: None) -> Account:
    return AccountFactory(name="Radiology", time_zone="Europe/London")


def _fill(account: Account, at: datetime) -> None:
    """One row of each type at this moment, or about the day or month that begins then."""
    AuditEntryFactory(account=account, at=at)
    NotificationFactory(account=account, created_at=at)
    TaskFactory(account=account, created_at=at, ended_at=at, state="done")
    Session.objects.create(
        account=account, session_id=f"{at}", user_name="=ann@x.example", state="closed",
        started_at=at, ended_at=at, distance_km=12.345,
    )  # fmt: skip
    period = {"account": account, "period_start": at, "period_end": at + timedelta(days=1)}
    figures = {**period, "frequency": Frequency.DAY}
    SessionStatistic.objects.create(
        **figures, system="pool", session_count=3, total_seconds=100, unique_users=2
    )
    UsageStatistic.objects.create(**figures, system="pool", used_seconds=5400)
    DiskStatistic.objects.create(
        **figures, volume_type="personal_drive", volume_count=2, size_bytes=3 * 2**30, gb_hours=72
    )
    UserActivity.objects.create(
        **period, user_name="ann@x.example", first_seen_at=at, last_seen_at=at,
        session_count=2, used_seconds=7200, last_instance_type=f"Air {at:%d}",
    )  # fmt: skip
    ElasticitySample.objects.create(account=account, at=at, pool="Office", running=4)
    SessionReport.objects.create(
        **period, month=f"{at:%Y-%m}", session_count=4, used_seconds=3600, total_seconds=240
    )


@pytest.mark.parametrize("name", WITH_COLUMNS)
def test_each_type_gives_json_and_text_for_every_column(name: str, account: Account) -> None:
    _fill(account, NOW - timedelta(days=2))
    _fill(AccountFactory(), NOW - timedelta(days=2))
    data_set, availability = DATA_SETS[DataType(name)], DataAvailability.objects.get(pk=name)
    rows = rows_of(data_set, account, availability, SPAN, NOW)
    part = part_of(data_set, rows, 10)
    assert part.place is None
    assert len(part.rows) == 1
    assert list(part.rows[0]) == [column.name for column in data_set.columns]
    columns = {f"text_{column.name}": column.text for column in data_set.columns}
    texts = rows.values(**columns).get()
    assert all(isinstance(texts[name], str) for name in columns)


def test_text_has_iso_times_two_decimals_and_no_formulas(account: Account) -> None:
    _fill(account, NOW - timedelta(days=2, microseconds=-7))
    trail = DATA_SETS[DataType.SESSION_TRAIL]
    rows = trail.rows(account).values(**{f"t_{each.name}": each.text for each in trail.columns})
    found = rows.get()
    assert found["t_start_time"] == "2025-11-18T12:00:00.000007Z"
    assert found["t_distance_km"] in {"12.34", "12.35"}
    assert found["t_avg_latency_ms"] == ""
    assert found["t_user"] == "'=ann@x.example"
    assert found["t_duration_seconds"] == "0"


def test_a_users_days_are_added_up(account: Account) -> None:
    for days in (2, 3, 5):
        _fill(account, NOW - timedelta(days=days))
    data_set = DATA_SETS[DataType.USER_ACTIVITY]
    availability = DataAvailability.objects.get(pk=DataType.USER_ACTIVITY)
    (row,) = part_of(data_set, rows_of(data_set, account, availability, SPAN, NOW), 10).rows
    assert row["session_count"] == 6
    assert row["total_hours"] == 6
    assert row["avg_session_minutes"] == 60
    assert row["last_instance_type"] == "Air 18"
    assert row["first_seen"] == "2025-11-15T12:00:00.000000Z"


@pytest.mark.parametrize("name", sorted(DATA_SETS))
def test_what_is_too_old_is_not_there_to_the_second(name: str, account: Account) -> None:
    availability = DataAvailability.objects.get(pk=name)
    data_set = DATA_SETS[DataType(name)]
    cutoff = available_from(availability, NOW) or NOW - timedelta(days=4000)
    _fill(account, cutoff - timedelta(days=1, seconds=1))
    _fill(account, cutoff)
    rows = list(rows_of(data_set, account, availability, None, NOW))
    is_starred = availability.is_starred or availability.months is None
    expected = 2 if is_starred else 1
    # Both of a user's days are one row.
    assert len(rows) == (1 if name == DataType.USER_ACTIVITY else expected)


@pytest.mark.parametrize("name", ["audit_trail", "elasticity", "user_activity", "usage"])
def test_page_after_page_gives_each_row_once(name: str, account: Account) -> None:
    for days in range(7):
        _fill(account, NOW - timedelta(days=days))
    UserActivity.objects.filter(account=account).first()
    data_set, availability = DATA_SETS[DataType(name)], DataAvailability.objects.get(pk=name)
    every = part_of(data_set, rows_of(data_set, account, availability, SPAN, NOW), 100).rows
    found: list[dict[str, object]] = []
    narrowed = None
    while True:
        rows = rows_of(data_set, account, availability, SPAN, NOW, narrowed=narrowed)
        part = part_of(data_set, rows, 2)
        found += part.rows
        if part.place is None:
            break
        narrowed = beyond(data_set, part.place)
    assert found == every
