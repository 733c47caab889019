"""When a schedule runs: a local time of day in an IANA zone, once every local day (R032, R033).

Where clocks go forward over the time, the run is at the first instant after the gap; where
they go back over it, at the first of the two. A local day that a zone leaves out has no run.
No database, no clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Schedule:
    """A time of day in a zone, on ``starts_on`` and every ``interval_days`` local days after."""

    at: time
    zone: str
    starts_on: date
    interval_days: int = 1

    def after(self, instant: datetime) -> datetime:
        """Return the first run later than ``instant``, in UTC."""
        return next(self.runs_after(instant))

    def runs_after(self, instant: datetime) -> Iterator[datetime]:
        """Yield the runs later than ``instant``, in UTC, without end."""
        # The run of a day may fall into the next one, when a gap swallows the day's end.
        day = max(self.starts_on, instant.astimezone(ZoneInfo(self.zone)).date() - 2 * _DAY)
        day += timedelta(days=-(day - self.starts_on).days % self.interval_days)
        while True:
            run = run_on(day, self.at, self.zone)
            if run and run > instant:
                yield run
            day += timedelta(days=self.interval_days)


# Most schedules of a deployment share few times and zones.
@lru_cache(maxsize=10_000)
def run_on(day: date, at: time, zone: str) -> datetime | None:
    """Return the instant of a local day's run, in UTC; None where the zone leaves the day out."""
    info = ZoneInfo(zone)
    run = _first_instant(datetime.combine(day, at), info)
    if run.astimezone(info).date() == day:
        return run
    begin = _first_instant(datetime.combine(day, time()), info)
    return run if begin.astimezone(info).date() == day else None


def _first_instant(wall: datetime, info: ZoneInfo) -> datetime:
    """Return when a clock first shows ``wall``, or, if it never does, when it has jumped past."""
    first = wall.replace(tzinfo=info, fold=0).astimezone(UTC)
    if first.astimezone(info).replace(tzinfo=None) == wall:
        return first
    # In a gap, fold 0 reads the wall by the offset before it, fold 1 by the one after:
    # the jump lies between the two readings.
    before, after = wall.replace(tzinfo=info, fold=1).astimezone(UTC), first
    old = before.astimezone(info).utcoffset()
    while after - before > _SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(info).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
