"""Charts of figures: totals, bars and numbers of what was asked for, by few queries."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from reporting.analytics import MOST_PERIODS, Analysis, starts_of
from reporting.charts import bars_of, curves_of
from reporting.models import DiskStatistic, ElasticitySample, SessionStatistic
from reporting.records import Span, start_of
from tests.people import World
from tests.reporting.history import fill
from tests.reporting.pages import HTMX, count_queries, text_of, url

LONDON = ZoneInfo("Europe/London")
TYPES = ("sessions", "usage", "disk_usage", "elasticity")


def _analysis(client: Client, world: World, name: str, query: str = "") -> Analysis:
    answer = client.get(f"{url('analytics_detail', world.account, name)}?{query}")
    assert answer.status_code == 200
    found: Analysis = answer.context["analysis"]
    return found


@pytest.mark.parametrize("name", TYPES)
def test_every_chart_has_its_numbers_beside_it(name: str, world: World, reader: Client) -> None:
    fill(world.account, timezone.now(), days=20)
    address = url("analytics_detail", world.account, name)
    text = text_of(reader, f"{address}?frequency=day")
    assert '<svg viewBox="0 0' in text
    assert "<desc" in text
    assert "style=" not in text
    analysis = _analysis(reader, world, name, "frequency=day")
    assert not analysis.is_empty
    for _label, numbers in analysis.table:
        assert [column for column, _ in numbers] == list(analysis.columns)
    part = text_of(reader, address, **HTMX)
    assert part.lstrip().startswith('<div id="analytics"')
    assert 'data-hx-swap-oob="true"' in part


@pytest.mark.parametrize("name", ["audit_trail", "tasks", "nonsense"])
def test_nothing_else_has_a_chart(name: str, world: World, reader: Client) -> None:
    assert reader.get(url("analytics_detail", world.account, name)).status_code == 404


def _day(world: World, day: date, **facts: object) -> None:
    start = start_of(day, LONDON)
    SessionStatistic.objects.create(
        account=world.account, frequency="day", period_start=start,
        period_end=start_of(day + timedelta(days=1), LONDON), **facts,
    )  # fmt: skip


def test_totals_are_of_all_that_was_asked_for(world: World, reader: Client) -> None:
    today = timezone.now().astimezone(LONDON).date()
    facts = {"distance_count": 2, "distance_km": 90.0, "system": "pool"}
    _day(world, today, **facts, pool="Office", session_count=3, total_seconds=3600)
    _day(world, today, **facts, pool="Lab", session_count=1, total_seconds=600)
    _day(world, today - timedelta(days=1), system="sandbox", session_count=1, total_seconds=600)
    _day(world, today - timedelta(days=40), system="sandbox", session_count=9, total_seconds=9)
    query = f"frequency=day&since={today - timedelta(days=6)}&until={today}"
    analysis = _analysis(reader, world, "sessions", query)
    assert dict(analysis.totals) == {
        "Total sessions": "5",
        "Average session time": "16.0 min",
        "Average distance from the data center": "45 km",
    }
    assert [period.numbers for period in analysis.periods[-2:]] == [
        ("1", "0", "1", "10.0 min", "–"),  # noqa: RUF001
        ("0", "4", "4", "17.5 min", "45 km"),
    ]
    assert analysis.columns[:2] == ("Sandbox", "Pool")
    assert len(analysis.periods) == 7
    narrowed = _analysis(reader, world, "sessions", f"{query}&system=sandbox")
    assert dict(narrowed.totals)["Total sessions"] == "1"


def test_the_screen_opens_on_the_period_that_is_promised(world: World, reader: Client) -> None:
    for name, days in (("sessions", 365), ("disk_usage", 184), ("elasticity", 92)):
        answer = reader.get(url("analytics_detail", world.account, name))
        assert days - 4 <= answer.context["span"].days <= days + 1, name


def test_long_spans_are_cut_and_the_page_says_so(world: World, reader: Client) -> None:
    today = timezone.now().astimezone(LONDON).date()
    _day(world, today, system="pool", session_count=1, total_seconds=1)
    _day(world, today - timedelta(days=300), system="pool", session_count=5, total_seconds=1)
    query = f"frequency=day&since={today - timedelta(days=399)}&until={today}"
    analysis = _analysis(reader, world, "sessions", query)
    assert len(analysis.periods) == MOST_PERIODS
    assert analysis.left_out == 200
    assert dict(analysis.totals)["Total sessions"] == "6"
    assert sum(len(bar.segments) for bar in analysis.chart.bars) == 1
    text = text_of(reader, f"{url('analytics_detail', world.account, 'sessions')}?{query}")
    assert "the latest 200 periods, 200 before them are left out" in text


def test_disk_usage_is_told_in_gb_and_gb_hours(world: World, reader: Client) -> None:
    start = start_of(timezone.now().astimezone(LONDON).date(), LONDON)
    for kind, size in (("personal_drive", 10), ("enterprise_profile", 30)):
        DiskStatistic.objects.create(
            account=world.account, frequency="day", period_start=start, volume_type=kind,
            period_end=start + timedelta(days=1), size_bytes=size * 2**30, gb_hours=size * 24,
        )  # fmt: skip
    analysis = _analysis(reader, world, "disk_usage", "frequency=day")
    assert analysis.totals == (("Total GB-hours", "960.0"),)
    assert analysis.periods[-1].numbers == ("30.0", "10.0", "40.0", "960.0")
    assert "By hour" not in text_of(reader, url("analytics_detail", world.account, "disk_usage"))


def test_elasticity_adds_pools_up_and_breaks_off_where_nothing_was_told(
    world: World, reader: Client
) -> None:
    day = timezone.now().astimezone(LONDON).date() - timedelta(days=1)
    noon = start_of(day, LONDON) + timedelta(hours=12)
    for pool, running, most in (("Office", 4, 10), ("Lab", 2, None)):
        for at in (noon, noon + timedelta(hours=1)):
            ElasticitySample.objects.create(
                account=world.account, at=at, pool=pool, running=running, in_session=1,
                max_servers=most, waiting_users=3,
            )  # fmt: skip
    query = f"frequency=day&since={day - timedelta(days=1)}&until={day}"
    analysis = _analysis(reader, world, "elasticity", query)
    nothing = "–"  # noqa: RUF001
    assert [period.numbers for period in analysis.periods] == [
        (nothing,) * 5,
        ("10.0", "6.0", "2.0", "0.0", "3"),
    ]
    narrowed = _analysis(reader, world, "elasticity", f"{query}&pool=Lab")
    assert narrowed.periods[-1].numbers == (nothing, "2.0", "1.0", "0.0", "3")


@pytest.mark.parametrize("name", TYPES)
def test_more_figures_need_no_more_queries(name: str, world: World, reader: Client) -> None:
    address = f"{url('analytics_detail', world.account, name)}?frequency=day"
    fill(world.account, timezone.now(), days=2)
    few = count_queries(reader, address)
    fill_more = timezone.now() - timedelta(days=30)
    for number in range(10):
        _day(world, fill_more.date() - timedelta(days=number), system="sandbox", session_count=1)
    assert count_queries(reader, address) == few


def test_what_a_broker_calls_a_pool_is_never_run(world: World, reader: Client) -> None:
    today = timezone.now().astimezone(LONDON).date().replace(day=1)
    SessionStatistic.objects.create(
        account=world.account, frequency="month", period_start=start_of(today, LONDON),
        period_end=timezone.now(), system="pool", pool="<script>alert(1)</script>",
        session_count=1,
    )  # fmt: skip
    text = text_of(reader, url("analytics_detail", world.account, "sessions"))
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text


def test_periods_follow_the_clocks_of_the_zone() -> None:
    now = datetime(2025, 12, 1, tzinfo=UTC)
    autumn = Span(date(2025, 10, 26), date(2025, 10, 26), LONDON)
    assert len(starts_of(autumn, "hour", now)) == 25
    spring = Span(date(2025, 3, 30), date(2025, 3, 31), LONDON)
    assert len(starts_of(spring, "hour", now)) == 47
    days = starts_of(spring, "day", now)
    assert [f"{day.astimezone(UTC):%d %H}" for day in days] == ["30 00", "30 23"]
    year = Span(date(2024, 12, 5), date(2025, 2, 1), LONDON)
    assert [f"{month:%Y-%m}" for month in starts_of(year, "month", now)] == [
        "2024-12", "2025-01", "2025-02",
    ]  # fmt: skip
    assert len(starts_of(Span(date(2025, 12, 1), date(2025, 12, 9), LONDON), "day", now)) == 1


def test_bars_fill_the_picture_up_to_a_round_number() -> None:
    chart = bars_of([[30.0, 40.0], [0.0, 0.0]], ["solid", "hatch"], ["a", "b"])
    assert chart.top == 100
    assert [segment.height for segment in chart.bars[0].segments] == [36, 48]
    assert chart.bars[0].segments[1].y == 36
    assert chart.bars[1].segments == ()
    assert bars_of([], [], []).top == 1
    lines = curves_of([[1.0], [None], [2.0], [3.0]], ["solid"], ["a", "b", "c", "d"])
    assert [len(re.findall(" ", curve.points)) for curve in lines.curves] == [1, 1]
