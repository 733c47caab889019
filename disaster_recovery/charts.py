"""Where the bars of the page's pictures stand: numbers for templates, which draw them as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from disaster_recovery.days import Day
from disaster_recovery.standing import KindStanding

# Units of the picture of days; it is stretched to the width there is.
DAY_WIDTH, BAR_WIDTH, HEIGHT = 24, 16, 120
_WIDTH = 100


@dataclass(frozen=True)
class Segment:
    """A piece of a bar, by its pattern: done, local or failed."""

    pattern: str
    y: float
    height: float


@dataclass(frozen=True)
class DayBar:
    day: Day
    x: float
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class DaysChart:
    """Bars of thirty days; ``top`` is what the highest stands for."""

    bars: tuple[DayBar, ...]
    top: int
    width: int
    height: int = HEIGHT
    bar_width: int = BAR_WIDTH

    @property
    def first(self) -> Day:
        return self.bars[0].day

    @property
    def made(self) -> int:
        return sum(bar.day.made for bar in self.bars)

    @property
    def replicated(self) -> int:
        return sum(bar.day.replicated for bar in self.bars)

    @property
    def failed(self) -> int:
        return sum(bar.day.failed for bar in self.bars)


def chart_of(days: Sequence[Day]) -> DaysChart:
    """Each day a bar: replicated at the bottom, then complete without a replica, then failed."""
    top = max((_height_of(day) for day in days), default=0)
    bars = (
        DayBar(day, i * DAY_WIDTH + (DAY_WIDTH - BAR_WIDTH) / 2, stacked(_parts(day), top))
        for i, day in enumerate(days)
    )
    return DaysChart(tuple(bars), top, DAY_WIDTH * len(days))


def _parts(day: Day) -> tuple[tuple[str, int], ...]:
    """What could not be replicated is complete here: it stands once, among the failed."""
    local = day.local_only - day.not_replicated
    return ("done", day.replicated), ("local", local), ("failed", day.failed)


def _height_of(day: Day) -> int:
    return sum(number for _, number in _parts(day))


def stacked(parts: Iterable[tuple[str, float]], top: float) -> tuple[Segment, ...]:
    """Pieces of a bar, from the bottom up; ``top`` is what the whole height stands for."""
    segments, y = [], float(HEIGHT)
    for pattern, number in parts:
        if number:
            height = number / top * HEIGHT
            y -= height
            segments.append(Segment(pattern, round(y, 2), round(height, 2)))
    return tuple(segments)


@dataclass(frozen=True)
class KindBars:
    """Bars of one kind in percent: its coverage, and the age of its oldest replica.

    The target stands in the middle of the second; what is more than twice as old fills it.
    """

    standing: KindStanding

    @property
    def coverage(self) -> int:
        """Full only when all have a replica, and never empty when one has."""
        count, there = self.standing.count, self.standing.replicated
        if not count:
            return 0
        return (
            min(99, max(1, _WIDTH * there // count))
            if 0 < there < count
            else _WIDTH * there // count
        )

    @property
    def age(self) -> int:
        age = self.standing.replica_age
        return min(_WIDTH, max(1, int(age / self.standing.target * 50))) if age else 0
