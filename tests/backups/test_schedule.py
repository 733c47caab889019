"""When a schedule runs, held against an independent reading of the tz database's rules.

The oracle knows nothing of folds, nor of how a wall time becomes an instant. It walks through
UTC, asks at each instant what a clock in the zone shows, and so finds the pieces of constant
offset. All of it is seconds since 1970, as whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.schedule import Schedule, run_on

HOUR = 3600
DAY = 24 * HOUR
A_DAY = timedelta(days=1)
EPOCH = date(1970, 1, 1)
# No two changes of a zone's clocks lie as near as this; at Ramadan, they are weeks apart.
STRIDE = DAY
YEAR = 2026
AREAS = [*sorted({name.partition("/")[0] for name in available_timezones() if "/" in name}), ""]
EVERYWHERE = (time(0), time(23, 59, 59))

# From which second of UTC on, and how far a clock in the zone is ahead of it then.
Piece = tuple[int, int]


def ahead(zone: ZoneInfo, second: int) -> int:
    """Return by how much a clock in the zone is ahead of UTC."""
    offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


@cache
def pieces(name: str, begin: int, end: int) -> list[Piece]:
    """Walk from ``begin`` to ``end`` and return where the offset changes."""
    zone = ZoneInfo(name)
    found = [(begin, ahead(zone, begin))]
    for second in range(begin + STRIDE, end, STRIDE):
        if ahead(zone, second) != found[-1][1]:
            low, high = second - STRIDE, second
            while high - low > 1:
                middle = (low + high) // 2
                if ahead(zone, middle) == found[-1][1]:
                    low = middle
                else:
                    high = middle
            found.append((high, ahead(zone, high)))
    return found


def shown(begin_of: list[Piece], end: int) -> Iterator[tuple[int, int, int]]:
    """Yield each piece as what its clocks show: first second, second after the last, offset."""
    ends = [begin for begin, _ in begin_of[1:]] + [end]
    for (begin, offset), stop in zip(begin_of, ends, strict=True):
        yield begin + offset, stop + offset, offset


def expected(name: str, first: date, days: int, at: time) -> list[int]:
    """Return the second of UTC of each local day's run; a day nobody lives through has none."""
    start, stop = (first - EPOCH).days, (first - EPOCH).days + days
    # Two days more on each side: clocks differ from UTC by up to 26 hours between them.
    end = (stop + 2) * DAY
    walls = list(shown(pieces(name, (start - 2) * DAY, end), end))
    time_of_day = at.hour * HOUR + at.minute * 60 + at.second
    runs = []
    for midnight in range(start * DAY, stop * DAY, DAY):
        low, high = midnight, midnight + DAY
        if any(begin < high and end > low for begin, end, _ in walls):
            runs.append(_first_at_or_past(walls, midnight + time_of_day))
    return runs


def _first_at_or_past(walls: list[tuple[int, int, int]], wanted: int) -> int:
    """Return when a clock first shows what is wanted, or has jumped past it."""
    for low, high, offset in walls:
        if high > wanted:
            return max(low, wanted) - offset
    raise AssertionError("the walk ends too early")


def actual(name: str, first: date, at: time, count: int) -> list[int]:
    """So many runs by the product, each found from the one before."""
    before = datetime.combine(first, time(), UTC) - 2 * A_DAY
    runs = Schedule(at, name, first).runs_after(before)
    return [int(run.timestamp()) for run in islice(runs, count)]


def differ(name: str, first: date, days: int, at: time) -> bool:
    """Whether product and oracle disagree about the runs of these days."""
    wanted = expected(name, first, days, at)
    return actual(name, first, at, len(wanted)) != wanted


def at_the_changes(name: str, first: date, days: int) -> set[time]:
    """Times of day at which something happens there: the ends and the middle of gaps and folds."""
    begin = (first - EPOCH).days * DAY
    found = pieces(name, begin - 2 * DAY, begin + (days + 2) * DAY)
    walls: set[int] = set()
    for (_, old), (second, new) in pairwise(found):
        low, high = sorted((second + old, second + new))
        walls |= {low, (low + high) // 2, high - 1}
    return {_time_of(wall % DAY) for wall in walls}


def _time_of(second: int) -> time:
    return time(second // HOUR, second % HOUR // 60, second % 60)


def in_area(area: str) -> Iterable[str]:
    names = available_timezones()
    return sorted(name for name in names if (name.partition("/")[0] if "/" in name else "") == area)


@pytest.mark.parametrize("area", AREAS)
def test_a_year_of_runs_is_as_the_rules_of_every_zone_have_it(area: str) -> None:
    first, days = date(YEAR, 1, 1), 365
    for name in in_area(area):
        for at in {*EVERYWHERE, *at_the_changes(name, first, days)}:
            assert not differ(name, first, days, at), (name, at)


# What the year above does not have: a day left out, a day lived twice, a gap before midnight,
# half an hour, two hours, several changes in a year, changes of the offset for good.
ODD = (
    ("Pacific/Apia", 2011),
    ("Pacific/Fakaofo", 2011),
    ("Pacific/Kwajalein", 1993),
    ("Pacific/Kwajalein", 1969),
    ("America/Nuuk", 2023),
    ("America/Nuuk", 2024),
    ("America/Scoresbysund", 2024),
    ("Africa/Casablanca", 2025),
    ("Africa/Cairo", 2014),
    ("Antarctica/Troll", 2026),
    ("Australia/Lord_Howe", 2026),
    ("America/Sao_Paulo", 2018),
    ("Asia/Pyongyang", 2015),
    ("Europe/Lisbon", 1992),
)


@pytest.mark.parametrize(("name", "year"), ODD)
def test_the_odd_years_of_odd_zones_are_read_right(name: str, year: int) -> None:
    first = date(year, 1, 1)
    days = (date(year + 1, 1, 1) - first).days
    changes = at_the_changes(name, first, days)
    assert changes
    for at in {*EVERYWHERE, *changes, time(0, 1), time(23, 30)}:
        assert not differ(name, first, days, at), at


@pytest.mark.parametrize(
    ("name", "day", "at", "run"),
    [
        # Samoa went from the 29th to the 31st of December.
        ("Pacific/Apia", date(2011, 12, 29), time(2), "2011-12-29T12:00:00Z"),
        ("Pacific/Apia", date(2011, 12, 30), time(2), None),
        ("Pacific/Apia", date(2011, 12, 31), time(2), "2011-12-30T12:00:00Z"),
        # At 22:00 it became 23:00 in 2023, at 23:00 midnight in 2025: the hour is in the gap.
        ("America/Nuuk", date(2023, 3, 25), time(22, 30), "2023-03-26T01:00:00Z"),
        ("America/Nuuk", date(2025, 3, 29), time(23, 30), "2025-03-30T01:00:00Z"),
        ("America/Nuuk", date(2025, 3, 30), time(23, 30), "2025-03-31T00:30:00Z"),
        # It moved to another standard time on the day its summer time began: no change at all.
        ("America/Scoresbysund", date(2024, 3, 31), time(0, 30), "2024-03-31T01:30:00Z"),
        ("America/Scoresbysund", date(2025, 3, 29), time(23, 30), "2025-03-30T01:00:00Z"),
        # Half an hour: 02:00 becomes 02:30, and 02:00 becomes 01:30.
        ("Australia/Lord_Howe", date(2026, 10, 4), time(2, 15), "2026-10-03T15:30:00Z"),
        ("Australia/Lord_Howe", date(2026, 4, 5), time(1, 45), "2026-04-04T14:45:00Z"),
        # Two hours.
        ("Antarctica/Troll", date(2026, 3, 29), time(2, 30), "2026-03-29T01:00:00Z"),
        ("Antarctica/Troll", date(2026, 10, 25), time(2, 30), "2026-10-25T00:30:00Z"),
        # Back an hour for Ramadan.
        ("Africa/Casablanca", date(2026, 2, 15), time(2, 30), "2026-02-15T01:30:00Z"),
        ("Africa/Casablanca", date(2026, 3, 22), time(2, 30), "2026-03-22T02:00:00Z"),
        ("Europe/London", date(2027, 3, 28), time(1, 30), "2027-03-28T01:00:00Z"),
        ("Europe/London", date(2026, 10, 25), time(1, 30), "2026-10-25T00:30:00Z"),
    ],
)
def test_gaps_folds_and_days_left_out_by_hand(
    name: str, day: date, at: time, run: str | None
) -> None:
    assert run_on(day, at, name) == (datetime.fromisoformat(run) if run else None)


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(sorted(available_timezones())),
    at=st.times().map(lambda at: at.replace(microsecond=0)),
    first=st.dates(date(1975, 1, 1), date(2036, 1, 1)),
    hours=st.integers(-48, 480),
)
def test_from_any_instant_the_next_runs_are_those_the_rules_leave(
    name: str, at: time, first: date, hours: int
) -> None:
    instant = datetime.combine(first, time(), UTC) + timedelta(hours=hours)
    later = [run for run in expected(name, first, 40, at) if run > instant.timestamp()]
    runs = islice(Schedule(at, name, first).runs_after(instant), 10)
    assert [int(run.timestamp()) for run in runs] == later[:10]


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(sorted(available_timezones())),
    at=st.times().map(lambda at: at.replace(microsecond=0)),
    first=st.dates(date(2015, 1, 1), date(2036, 1, 1)),
    interval=st.integers(1, 9),
    past=st.integers(0, 9),
)
def test_every_so_many_days_is_counted_from_the_first(
    name: str, at: time, first: date, interval: int, past: int
) -> None:
    begin = datetime.combine(first, time(), UTC) - 2 * A_DAY
    schedule = Schedule(at, name, first, interval)
    wanted = [run for n in range(12) if (run := run_on(first + n * interval * A_DAY, at, name))]
    assert list(islice(schedule.runs_after(begin), len(wanted))) == wanted
    instant = begin + past * A_DAY
    assert schedule.after(instant) == next(run for run in wanted if run > instant)
