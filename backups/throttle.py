"""How long bytes take through a link whose bandwidth is throttled by the time of day (R117).

A window holds by what a clock on the sender's wall shows: in a gap it begins at the first instant
after it, and in the hour that is repeated it holds twice. Limits are bytes a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from portal.clouds.api import Bandwidth, Window

DAY = 86_400
# Longer transfers go on at the average of these days.
WALKED = timedelta(days=35)


@dataclass(frozen=True)
class Travel:
    """How long something is under way, and for how much of that the throttle is what limits it."""

    seconds: float = 0.0
    throttled_seconds: float = 0.0


def read(kept: Mapping[str, Any]) -> Bandwidth | None:
    """Read back what was kept of one as JSON; None where nothing limits."""
    if not kept:
        return None
    windows = tuple(Window(**{**each, "days": tuple(each["days"])}) for each in kept["windows"])
    return Bandwidth(**{**kept, "windows": windows})


def limit_at(throttle: Bandwidth, at: datetime) -> int:
    """The limit in force at an instant, 0 for none. Of windows that overlap the tightest holds."""
    local = at.astimezone(ZoneInfo(throttle.zone))
    second = local.hour * 3600 + local.minute * 60 + local.second
    held = [each.limit for each in throttle.windows if _holds(each, local.weekday(), second)]
    if not held:
        return throttle.limit
    return min((limit for limit in held if limit), default=0)


def _holds(window: Window, weekday: int, second: int) -> bool:
    begun = weekday in window.days and second >= window.begins
    if window.begins < window.ends:
        return begun and second < window.ends
    return begun or ((weekday - 1) % 7 in window.days and second < window.ends)


def _changes(throttle: Bandwidth, after: datetime) -> Iterator[datetime]:
    """Instants at which the limit may change, in order; without windows, one a day."""
    zone = ZoneInfo(throttle.zone)
    times = {0} | {second % DAY for each in throttle.windows for second in (each.begins, each.ends)}
    day, last = after.astimezone(zone).date(), after
    while True:
        for instant in sorted(_instants(zone, day, times)):
            if instant > last:
                yield instant
                last = instant
        day += timedelta(days=1)


def _instants(zone: ZoneInfo, day: date, times: set[int]) -> Iterator[datetime]:
    """When the wall shows these times on that day, and when the clock is put forward or back."""
    for second in times:
        shown = time(second // 3600, second % 3600 // 60, second % 60)
        for fold in (0, 1):
            yield datetime.combine(day, shown.replace(fold=fold), zone).astimezone(UTC)
    begin = datetime.combine(day, time(), zone).astimezone(UTC)
    end = begin + timedelta(hours=26)
    offset = begin.astimezone(zone).utcoffset()
    if end.astimezone(zone).utcoffset() != offset:
        while end - begin > timedelta(seconds=1):
            middle = begin + (end - begin) / 2
            if middle.astimezone(zone).utcoffset() == offset:
                begin = middle
            else:
                end = middle
        yield end.replace(microsecond=0)


def travel(size_bytes: float, rate: float, throttle: Bandwidth | None, at: datetime) -> Travel:
    """How long so many bytes take from then on, at ``rate`` where no limit is tighter."""
    if throttle is None or size_bytes <= 0:
        return Travel(size_bytes / rate)
    left, throttled, now = float(size_bytes), 0.0, at
    for change in _changes(throttle, at):
        limit = limit_at(throttle, now)
        is_throttled = 0 < limit < rate
        speed = float(limit) if is_throttled else rate
        span = min((change - now).total_seconds(), left / speed)
        left -= span * speed
        throttled += span if is_throttled else 0
        now += timedelta(seconds=span)
        if left < 1 or now - at > WALKED:
            break
    share = size_bytes / (size_bytes - left)
    return Travel((now - at).total_seconds() * share, throttled * share)
