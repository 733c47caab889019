"""Bars and lines of figures as numbers for templates, which draw them as SVG.

Nothing is told by colour alone: each series has a pattern of its own, each line its own dashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from disaster_recovery.charts import HEIGHT, Segment, stacked

_SLOT, _BAR = 12, 8
# Fewer bars than this stand in the middle, no wider than these would be.
_FEWEST = 8
_STEPS = (1, 2, 4, 5, 10)


@dataclass(frozen=True)
class Bar:
    """``title`` is what hovering says, and screen readers."""

    x: float
    segments: tuple[Segment, ...]
    title: str


@dataclass(frozen=True)
class Curve:
    """A line by its corners; ``pattern`` names its dashes."""

    pattern: str
    points: str


@dataclass(frozen=True)
class Chart:
    """``top`` is the number its upper edge stands for, ``middle`` half of it."""

    bars: tuple[Bar, ...]
    curves: tuple[Curve, ...]
    top: float
    width: int
    height: int = HEIGHT
    bar_width: int = _BAR

    @property
    def middle(self) -> float:
        return self.top / 2


def bars_of(
    rows: Sequence[Sequence[float]], patterns: Sequence[str], titles: Sequence[str]
) -> Chart:
    """A stack of numbers for each row; a pattern for each number in it."""
    top = _round_top(max((sum(row) for row in rows), default=0))
    slots = max(_FEWEST, len(rows))
    aside = (slots - len(rows)) * _SLOT / 2
    bars = (
        Bar(
            aside + number * _SLOT + (_SLOT - _BAR) / 2,
            stacked(zip(patterns, row, strict=True), top),
            title,
        )
        for number, (row, title) in enumerate(zip(rows, titles, strict=True))
    )
    return Chart(tuple(bars), (), top, slots * _SLOT)


def curves_of(
    rows: Sequence[Sequence[float | None]], patterns: Sequence[str], titles: Sequence[str]
) -> Chart:
    """A line for each number of the rows, from row to row; it breaks off where there is none.

    A bar without segments stands for each row, so that it can be asked for its numbers.
    """
    top = _round_top(max((number for row in rows for number in row if number), default=0))
    curves = []
    for place, pattern in enumerate(patterns):
        corners: list[str] = []
        for number, row in enumerate(rows):
            value = row[place]
            if value is None:
                curves += _curve(pattern, corners)
                corners = []
                continue
            height = round(HEIGHT - value / top * HEIGHT, 2)
            corners.append(f"{(number + 0.5) * _SLOT},{height}")
        curves += _curve(pattern, corners)
    marks = (Bar(number * _SLOT, (), title) for number, title in enumerate(titles))
    return Chart(tuple(marks), tuple(curves), top, max(1, len(rows)) * _SLOT, bar_width=_SLOT)


def _curve(pattern: str, corners: Sequence[str]) -> list[Curve]:
    if not corners:
        return []
    x, y = corners[0].split(",")
    # One corner alone would not be seen.
    ends = [f"{float(x) - _SLOT / 3:g},{y}"] if len(corners) == 1 else []
    return [Curve(pattern, " ".join([*ends, *corners]))]


def _round_top(most: float) -> float:
    """The next round number: 1, 2, 4, 5 or 10 times a power of ten. 1 for nothing."""
    if most <= 0:
        return 1
    power = 10.0 ** floor(log10(most))
    return next(step * power for step in _STEPS if step * power >= most * 0.999999)
