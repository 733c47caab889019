"""A runner that finds nothing due must cost next to nothing, however many tasks there are."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from portal.engine.runner import Runner
from portal.models import Task
from tests.bench.figure import Figure

RUNS = 30
ENDED = 50_000
WAITING = 5_000


def measure(rounds: int) -> Iterator[Figure]:
    empty = [idle_seconds() for _ in range(rounds)]
    _fill()
    full = [idle_seconds() for _ in range(rounds)]
    Task.objects.all().delete()
    ratios = tuple(after / before for before, after in zip(empty, full, strict=True))
    yield Figure("idle runner, 55,000 tasks ÷ none", ratios, 1.5)
    yield Figure("idle runner, 55,000 tasks, ms", tuple(1000 * each for each in full), 5)


def idle_seconds() -> float:
    """Return the median time of one look for work that finds none due."""
    return statistics.median(_once() for _ in range(RUNS))


def _once() -> float:
    runner = Runner()
    started_at = time.perf_counter()
    runner.run(seconds=1)
    return time.perf_counter() - started_at


def _fill() -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    states = [Task.State.DONE] * ENDED + [Task.State.RUNNING] * WAITING
    Task.objects.bulk_create(
        [
            Task(
                kind="bench",
                title="Bench",
                state=state,
                next_wake_at=tomorrow,
                deadline_at=tomorrow,
            )
            for state in states
        ],
        batch_size=1000,
    )
