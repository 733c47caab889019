"""manage.py next_runs prints what the schedule says."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from portal.engine.clock import using
from tests.clock import JumpClock


def next_runs(**options: str) -> list[str]:
    """What is printed with these options, by line."""
    out = StringIO()
    given = {"time": "02:30", "zone": "Europe/London"} | options
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    call_command("next_runs", *words, stdout=out)
    return out.getvalue().splitlines()


def test_runs_are_printed_in_utc_one_a_line() -> None:
    printed = next_runs(**{"from": "2026-10-20T00:00:00Z", "count": "10"})
    # The clocks go back on the 25th.
    summer = [f"2026-10-{day}T01:30:00Z" for day in range(20, 25)]
    assert printed == summer + [f"2026-10-{day}T02:30:00Z" for day in range(25, 30)]


@pytest.mark.parametrize(
    ("since", "first"),
    [
        ("2026-10-20T01:30:00Z", "2026-10-20T01:30:00Z"),
        ("2026-10-20T01:30:00.000001Z", "2026-10-21T01:30:00Z"),
        ("2026-10-20T01:30:00", "2026-10-20T01:30:00Z"),
        ("2026-10-20T02:30:00+01:00", "2026-10-20T01:30:00Z"),
        ("2026-10-20", "2026-10-20T01:30:00Z"),
    ],
)
def test_the_instant_given_counts_and_is_utc_unless_it_says_otherwise(
    since: str, first: str
) -> None:
    assert next_runs(**{"from": since, "count": "1"}) == [first]


def test_without_an_instant_it_is_now() -> None:
    clock = JumpClock()
    clock.time = datetime(2027, 3, 27, 2, 31, tzinfo=UTC)
    with using(clock):
        printed = next_runs()
    assert (printed[0], len(printed)) == ("2027-03-28T01:30:00Z", 10)


def test_a_time_in_the_gap_runs_right_after_it() -> None:
    printed = next_runs(time="01:30", **{"from": "2027-03-28", "count": "2"})
    assert printed == ["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]


def test_a_day_the_zone_leaves_out_is_left_out() -> None:
    printed = next_runs(zone="Pacific/Apia", time="12:00", **{"from": "2011-12-29", "count": "2"})
    assert printed == ["2011-12-29T22:00:00Z", "2011-12-30T22:00:00Z"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("time", "25:00"),
        ("time", "half past two"),
        ("time", "02:30+01:00"),
        ("zone", "Europe/Londn"),
        ("zone", "../etc/passwd"),
        ("zone", ""),
        ("from", "yesterday"),
        ("from", "9999-12-31"),
        ("from", "0001-01-01T00:00:00+14:00"),
        ("count", "0"),
        ("count", "-1"),
        ("count", "ten"),
        ("count", "1000000"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(option: str, value: str) -> None:
    with pytest.raises(CommandError, match=rf"^--{option} .* is not .*\.$") as refused:
        next_runs(**{option: value})
    assert value in str(refused.value)
