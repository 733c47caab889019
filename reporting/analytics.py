"""Charts of Sessions, Usage, Disk Usage and Elasticity: bars, their numbers, and totals.

Read from the figures that are kept, never from sessions or samples of disks: three queries for a
page, whatever the span. Pictures show the latest two hundred periods; totals are of all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Avg, Max, Sum
from django.db.models.functions import TruncDay, TruncHour, TruncMonth

from portal.models import Resource
from reporting.charts import Chart, bars_of, curves_of
from reporting.models import DataType, Frequency, System
from reporting.records import Span, start_of
from reporting.records.datasets import Rows

MOST_PERIODS = 200
_NOTHING = "\N{EN DASH}"
_PATTERNS = ("solid", "hatch", "dots", "open", "cross")
_HOUR = timedelta(hours=1)
GB = 2**30


@dataclass(frozen=True)
class Series:
    """What is shown of each period, and the pattern it is drawn with."""

    label: str
    pattern: str


@dataclass(frozen=True)
class Period:
    """A line of the table: a number for each series, then what else there is to say."""

    label: str
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class Analysis:
    """A chart and the same as a table. ``left_out`` periods before the first are not drawn."""

    title: str
    unit: str
    series: tuple[Series, ...]
    columns: tuple[str, ...]
    periods: tuple[Period, ...]
    chart: Chart
    totals: tuple[tuple[str, str], ...]
    left_out: int = 0
    is_lines: bool = False

    @property
    def first(self) -> str:
        return self.periods[0].label if self.periods else ""

    @property
    def last(self) -> str:
        return self.periods[-1].label if self.periods else ""

    @property
    def table(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """The latest period first; each number with its column."""
        for period in reversed(self.periods):
            yield period.label, list(zip(self.columns, period.numbers, strict=True))

    @property
    def is_empty(self) -> bool:
        return not any(bar.segments for bar in self.chart.bars) and not self.chart.curves


# Periods


def starts_of(span: Span, frequency: str, now: datetime) -> list[datetime]:
    """When each period of the span begins, in its zone; none that has not begun."""
    starts = {Frequency.HOUR: _hours, Frequency.MONTH: _months}.get(Frequency(frequency), _days)
    return [start for start in starts(span) if start <= now]


def _hours(span: Span) -> Iterator[datetime]:
    hours = int((span.until - span.since) / _HOUR)
    return (span.since + number * _HOUR for number in range(hours))


def _days(span: Span) -> Iterator[datetime]:
    return (start_of(span.first + timedelta(days=day), span.zone) for day in range(span.days))


def _months(span: Span) -> Iterator[datetime]:
    first = span.first.year * 12 + span.first.month - 1
    last = span.last.year * 12 + span.last.month - 1
    return (start_of(date(n // 12, n % 12 + 1, 1), span.zone) for n in range(first, last + 1))


def _label(start: datetime, span: Span, frequency: str) -> str:
    local = start.astimezone(span.zone)
    if frequency == Frequency.MONTH:
        return f"{local:%b %Y}"
    day = f"{local.day} {local:%b %Y}"
    return f"{day}, {local:%H:%M}" if frequency == Frequency.HOUR else day


class _Drawn:
    """The periods that are drawn, and in which of them a moment is."""

    def __init__(self, span: Span, frequency: str, now: datetime) -> None:
        starts = starts_of(span, frequency, now)
        self.left_out = max(0, len(starts) - MOST_PERIODS)
        self.starts = starts[self.left_out :]
        self.labels = [_label(start, span, frequency) for start in self.starts]

    def place(self, at: datetime) -> int:
        """The number of the period; what was counted by another zone goes where it began."""
        return max(0, bisect_right(self.starts, at) - 1)

    def narrowed(self, rows: Rows, field: str) -> Rows:
        return rows.filter(**{f"{field}__gte": self.starts[0]}) if self.starts else rows.none()


# Bars


@dataclass(frozen=True)
class _Measure:
    """How one type of figures is read."""

    title: str
    unit: str
    by: str
    labels: Mapping[str, str]
    amount: str
    scale: float
    places: int
    totals: Callable[[Rows], tuple[tuple[str, str], ...]]
    more: tuple[str, ...] = ()


def _session_totals(rows: Rows) -> tuple[tuple[str, str], ...]:
    found = rows.order_by().aggregate(
        n=Sum("session_count"),
        s=Sum("total_seconds"),
        c=Sum("distance_count"),
        d=Sum("distance_km"),
    )
    return (
        ("Total sessions", f"{found['n'] or 0:,}"),
        ("Average session time", _minutes(found["s"], found["n"])),
        ("Average distance from the data center", _over(found["d"], found["c"], "km")),
    )


def _usage_totals(rows: Rows) -> tuple[tuple[str, str], ...]:
    seconds = rows.order_by().aggregate(s=Sum("used_seconds"))["s"] or 0
    return (("Total hours", f"{seconds / 3600:,.1f}"),)


def _disk_totals(rows: Rows) -> tuple[tuple[str, str], ...]:
    found = rows.order_by().aggregate(h=Sum("gb_hours"), n=Max("volume_count"))
    return (("Total GB-hours", f"{found['h'] or 0:,.1f}"),)


def _minutes(seconds: float | None, count: int | None) -> str:
    return f"{seconds / count / 60:,.1f} min" if seconds and count else _NOTHING


def _over(value: float | None, count: int | None, unit: str) -> str:
    return f"{value / count:,.0f} {unit}" if value is not None and count else _NOTHING


_SYSTEMS = dict(System.choices)
_BARS = {
    DataType.SESSIONS: _Measure(
        "Sessions", "sessions", "system", _SYSTEMS, "session_count", 1, 0, _session_totals,
        ("Average time", "Average distance"),
    ),
    DataType.USAGE: _Measure(
        "Usage", "hours", "system", _SYSTEMS, "used_seconds", 3600, 1, _usage_totals
    ),
    DataType.DISK_USAGE: _Measure(
        "Disk Usage", "GB", "volume_type", dict(Resource.Kind.choices), "size_bytes", GB, 1,
        _disk_totals, ("GB-hours",),
    ),
}  # fmt: skip


def bars(data_type: DataType, rows: Rows, span: Span, frequency: str, now: datetime) -> Analysis:
    """The figures of a type, one stack for each period; ``rows`` are of that frequency."""
    measure, drawn = _BARS[data_type], _Drawn(span, frequency, now)
    sums = {"amount": Sum(measure.amount), **_extra_sums(data_type)}
    grouped = drawn.narrowed(rows, "period_start").order_by().values("period_start", measure.by)
    found = list(grouped.annotate(**sums).order_by("period_start", measure.by))
    keys = [key for key in measure.labels if any(row[measure.by] == key for row in found)]
    keys += sorted({row[measure.by] for row in found} - set(keys))
    amounts = [[0.0] * len(keys) for _ in drawn.starts]
    extras: list[dict[str, float]] = [{} for _ in drawn.starts]
    for row in found:
        place = drawn.place(row["period_start"])
        amounts[place][keys.index(row[measure.by])] += row["amount"] / measure.scale
        for name in sums:
            extras[place][name] = extras[place].get(name, 0) + (row[name] or 0)
    series = tuple(
        Series(measure.labels.get(key, key), _PATTERNS[number % len(_PATTERNS)])
        for number, key in enumerate(keys)
    )
    periods = tuple(
        Period(label, _numbers(measure, numbers, _extra_words(data_type, more)))
        for label, numbers, more in zip(drawn.labels, amounts, extras, strict=True)
    )
    titles = [
        _title(label, series, row, measure)
        for label, row in zip(drawn.labels, amounts, strict=True)
    ]
    chart = bars_of(amounts, [each.pattern for each in series], titles)
    columns = (*(each.label for each in series), "Total", *measure.more)
    return Analysis(
        measure.title, measure.unit, series, columns, periods, chart, measure.totals(rows),
        drawn.left_out,
    )  # fmt: skip


def _extra_sums(data_type: DataType) -> dict[str, Sum]:
    if data_type == DataType.SESSIONS:
        names = {"seconds": "total_seconds", "far": "distance_km", "told": "distance_count"}
        return {name: Sum(field) for name, field in names.items()}
    return {"hours": Sum("gb_hours")} if data_type == DataType.DISK_USAGE else {}


def _extra_words(data_type: DataType, more: Mapping[str, float]) -> tuple[str, ...]:
    if data_type == DataType.SESSIONS:
        far = _over(more.get("far"), int(more.get("told", 0)), "km")
        return _minutes(more.get("seconds"), int(more.get("amount", 0))), far
    return (f"{more.get('hours', 0):,.1f}",) if data_type == DataType.DISK_USAGE else ()


def _numbers(measure: _Measure, amounts: Sequence[float], more: tuple[str, ...]) -> tuple[str, ...]:
    return (*(f"{each:,.{measure.places}f}" for each in (*amounts, sum(amounts))), *more)


def _title(
    label: str, series: Sequence[Series], amounts: Sequence[float], measure: _Measure
) -> str:
    parts = (
        f"{each.label} {amount:,.{measure.places}f}"
        for each, amount in zip(series, amounts, strict=True)
        if amount
    )
    return f"{label}: {', '.join(parts) or 'none'} {measure.unit}"


# Lines

_CURVES = (
    ("max_servers", "Max servers", "dashed"),
    ("running", "Running", "solid"),
    ("in_session", "In session", "dotted"),
    ("available", "Available", "mixed"),
)


def lines(rows: Rows, span: Span, frequency: str, now: datetime) -> Analysis:
    """How capacity followed sessions: averages of each period, added up over pools."""
    drawn = _Drawn(span, frequency, now)
    cut = {Frequency.HOUR: TruncHour, Frequency.MONTH: TruncMonth}.get(
        Frequency(frequency), TruncDay
    )
    grouped = drawn.narrowed(rows, "at").order_by()
    grouped = grouped.annotate(start=cut("at", tzinfo=span.zone))
    averages = {f"avg_{name}": Avg(name) for name, _, _ in _CURVES}
    found = grouped.values("start", "pool", "instance_type").annotate(
        **averages, waiting=Max("waiting_users")
    )
    sums: list[list[float | None]] = [[None] * len(_CURVES) for _ in drawn.starts]
    waiting: list[int | None] = [None] * len(drawn.starts)
    for row in found:
        place = drawn.place(row["start"])
        for number, (name, _, _) in enumerate(_CURVES):
            if (value := row[f"avg_{name}"]) is not None:
                sums[place][number] = (sums[place][number] or 0) + value
        waiting[place] = max(waiting[place] or 0, row["waiting"])
    series = tuple(Series(label, pattern) for _, label, pattern in _CURVES)
    words = [_curve_words(row) for row in sums]
    titles = [
        f"{label}: {_joined(series, row)}" for label, row in zip(drawn.labels, words, strict=True)
    ]
    periods = tuple(
        Period(label, (*row, _NOTHING if most is None else f"{most:,}"))
        for label, row, most in zip(drawn.labels, words, waiting, strict=True)
    )
    chart = curves_of(sums, [each.pattern for each in series], titles)
    columns = (*(each.label for each in series), "Most waiting users")
    return Analysis(
        "Elasticity", "servers", series, columns, periods, chart, _elastic_totals(rows),
        drawn.left_out, is_lines=True,
    )  # fmt: skip


def _curve_words(row: Sequence[float | None]) -> tuple[str, ...]:
    return tuple(_NOTHING if value is None else f"{value:,.1f}" for value in row)


def _joined(series: Iterable[Series], words: Iterable[str]) -> str:
    return ", ".join(f"{each.label} {word}" for each, word in zip(series, words, strict=True))


def _elastic_totals(rows: Rows) -> tuple[tuple[str, str], ...]:
    found = rows.order_by().aggregate(
        r=Max("running"), s=Max("in_session"), m=Max("max_servers"), w=Max("waiting_users")
    )
    names = (("r", "Most running in a pool"), ("s", "Most in session in a pool"),
             ("m", "Largest max servers"), ("w", "Most waiting users"))  # fmt: skip
    return tuple(
        (label, _NOTHING if found[key] is None else f"{found[key]:,}") for key, label in names
    )


def analyse(data_type: DataType, rows: Rows, span: Span, frequency: str, now: datetime) -> Analysis:
    """The chart of a type of figures."""
    if data_type == DataType.ELASTICITY:
        return lines(rows, span, frequency, now)
    return bars(data_type, rows, span, frequency, now)


# What there is to choose from


def choices_of(data_type: DataType, rows: Rows) -> dict[str, Any]:
    """Values to narrow by, by column of the figures; ``rows`` are where pools are looked for."""
    if data_type == DataType.DISK_USAGE:
        kinds = [kind for kind in Resource.Kind.choices if kind[0] in Resource.VOLUME_KINDS]
        return {"volume_type": kinds}
    pools = rows.exclude(pool="").order_by("pool").values_list("pool", flat=True).distinct()
    found = {"pool": [(pool, pool) for pool in pools[:200]]}
    return found if data_type == DataType.ELASTICITY else {"system": System.choices, **found}
