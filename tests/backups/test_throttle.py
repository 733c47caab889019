"""How long bytes take through a throttled link: windows, their edges, clocks that change (R117)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest

from backups.rates import Pace, return_time_at
from backups.throttle import Travel, limit_at, read, travel
from portal.clouds.api import Bandwidth, Window

MB, GB = 2**20, 2**30
EVERY_DAY, WORKDAYS = tuple(range(7)), tuple(range(5))
LONDON, NEW_YORK = "Europe/London", "America/New_York"


def _clock(hour: int, minute: int = 0) -> int:
    return hour * 3600 + minute * 60


# 10 MB/s in office hours, 50 MB/s otherwise.
OFFICE = Window(_clock(8), _clock(18), WORKDAYS, 10 * MB)
POLICY = Bandwidth("office hours", 50 * MB, LONDON, (OFFICE,))
MONDAY = datetime(2026, 11, 30, tzinfo=UTC)


def _at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return MONDAY.replace(hour=hour, minute=minute, second=second)


@pytest.mark.parametrize(
    ("at", "limit"),
    [
        (_at(7, 59, 59), 50),
        (_at(8), 10),
        (_at(17, 59, 59), 10),
        (_at(18), 50),
        (_at(12) - timedelta(days=1), 50),
        (_at(12) + timedelta(days=5), 50),
    ],
)
def test_a_window_holds_from_its_begin_to_its_end_on_its_days(at: datetime, limit: int) -> None:
    assert limit_at(POLICY, at) == limit * MB


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_begins() -> None:
    night = Bandwidth("night", 0, "UTC", (Window(_clock(22), _clock(6), (0,), MB),))
    assert limit_at(night, _at(21, 59)) == 0
    assert limit_at(night, _at(22)) == MB
    assert limit_at(night, _at(5, 59) + timedelta(days=1)) == MB
    assert limit_at(night, _at(6) + timedelta(days=1)) == 0
    assert limit_at(night, _at(5)) == 0


def test_of_windows_that_overlap_the_tightest_holds_and_one_may_lift_the_limit() -> None:
    free = Window(_clock(20), _clock(22), EVERY_DAY, 0)
    tight = Window(_clock(12), _clock(13), EVERY_DAY, 2 * MB)
    policy = Bandwidth("three", 50 * MB, LONDON, (OFFICE, free, tight))
    assert [limit_at(policy, _at(hour)) // MB for hour in (11, 12, 13, 20, 22)] == [
        10,
        2,
        10,
        0,
        50,
    ]


def test_without_a_throttle_the_rate_alone_counts() -> None:
    assert travel(100 * MB, MB, None, _at(9)) == Travel(100.0, 0.0)


def test_the_default_limit_holds_outside_of_windows() -> None:
    policy = Bandwidth("cap", 5 * MB)
    assert travel(100 * MB, 50 * MB, policy, _at(9)) == Travel(20.0, 20.0)
    assert travel(100 * MB, MB, policy, _at(9)) == Travel(100.0, 0.0)


def test_a_transfer_over_the_edge_of_a_window_goes_at_both_speeds() -> None:
    # 17:00 to 18:00 at 10 MB/s brings 36,000 MB; the rest goes at the rate of 40.
    found = travel(40_000 * MB, 40 * MB, POLICY, _at(17))
    assert found.seconds == pytest.approx(3600 + 4_000 / 40, abs=1)
    assert found.throttled_seconds == pytest.approx(3600, abs=1)


@pytest.mark.parametrize(
    ("begin", "hours"),
    [
        # Clocks go forward at 01:00 UTC: the window 00:00 to 06:00 is five hours long.
        (datetime(2026, 3, 29, tzinfo=UTC), 5),
        # Clocks go back at 01:00 UTC: seven.
        (datetime(2026, 10, 24, 23, tzinfo=UTC), 7),
    ],
)
def test_a_window_is_as_long_as_its_clock_says(begin: datetime, hours: int) -> None:
    night = Bandwidth("night", 0, LONDON, (Window(0, _clock(6), EVERY_DAY, MB),))
    found = travel((hours * 3600 + 100 * 100) * MB, 100 * MB, night, begin)
    assert found.throttled_seconds == pytest.approx(hours * 3600, abs=1)
    assert found.seconds == pytest.approx(hours * 3600 + 100, abs=1)


@pytest.mark.parametrize(
    "begin", [datetime(2026, 3, 8, 5, tzinfo=UTC), datetime(2026, 11, 1, 4, tzinfo=UTC)]
)
def test_it_agrees_with_a_count_second_by_second_where_clocks_change(begin: datetime) -> None:
    windows = (
        Window(_clock(1, 30), _clock(2, 30), EVERY_DAY, 3 * MB),
        Window(_clock(23), _clock(1, 15), EVERY_DAY, 7 * MB),
    )
    policy = Bandwidth("edges", 0, NEW_YORK, windows)
    left, seconds, size = 0.0, 0, 200_000 * MB
    while left < size:
        limit = limit_at(policy, begin + timedelta(seconds=seconds))
        left += min(limit or 11 * MB, 11 * MB)
        seconds += 1
    assert travel(size, 11 * MB, policy, begin).seconds == pytest.approx(seconds, abs=2)


def test_what_takes_months_goes_on_at_the_average() -> None:
    found = travel(10**15, 100 * MB, POLICY, _at(0))
    exact = travel(10**14, 100 * MB, POLICY, _at(0))
    assert found.seconds == pytest.approx(10 * exact.seconds, rel=0.05)


def test_the_estimate_says_which_limit_holds() -> None:
    free = Pace(20 * MB, None, _at(9))
    fast = Pace(200 * MB, POLICY, _at(9))
    slow = Pace(5 * MB, POLICY, _at(9))
    unknown = Pace(None, POLICY, _at(9))
    assert free.reason(GB) == "By the measured rate"
    assert fast.reason(GB) == "By Bandwidth Throttling, 10.0 MB/s now"
    assert slow.reason(GB) == "By the measured rate; Bandwidth Throttling allows more"
    late = Pace(40 * MB, POLICY, _at(17))
    said = "By Bandwidth Throttling for 1 h 00 min of it, else by the measured rate"
    assert late.reason(40_000 * MB) == said
    assert "none was measured yet" in Pace(None, None, _at(9)).reason(GB)
    assert return_time_at(fast, 100 * GB).replica > return_time_at(free, 100 * GB).replica
    assert not return_time_at(unknown, GB).is_measured


def test_an_unmeasured_rate_is_no_faster_than_the_throttle() -> None:
    tight = Bandwidth("tight", MB)
    unlimited = return_time_at(Pace(None, None, _at(9)), 10 * GB)
    throttled = return_time_at(Pace(None, tight, _at(9)), 10 * GB)
    assert throttled.replica[0] >= 10 * GB / MB / 60
    assert throttled.replica[0] > unlimited.replica[0]


def test_it_is_read_back_as_it_was_kept() -> None:
    assert read(asdict(POLICY)) == POLICY
    assert read({}) is None
