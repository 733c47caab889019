"""Backup of 1,000 desktops at once, by one worker with its default settings.

Against what the provider allows: so many calls, 100 ms each, 25 in flight. And where the
operation takes long, against the time of a single one. Worker, lab and database share the
machine, so all of their CPU is in the figures; that of the worker is printed, HTTP included.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

from portal.audit import SYSTEM
from portal.models import Account, Task
from tests.bench.bulk_scene import (
    account_at,
    calls_of,
    cpu_seconds,
    forget,
    lab_of,
    largest_mib,
    until,
    worker_of_ours,
)
from tests.bench.figure import Figure
from volumes import services
from volumes.selection import Selection

MANY = 1000
CALL_SECONDS, IN_FLIGHT = 0.1, 25
LONG_SECONDS = 6.0
# performance.md
OF_IDEAL, OF_ONE = 1.15, 1.4
# What it keeps for the next time is taken by the second; a leak of each task would go on.
FLAT = 1.15


@dataclass(frozen=True)
class Run:
    """One bulk backup: how long it took, calls made meanwhile, CPU seconds of the worker."""

    seconds: float
    calls: int
    cpu_seconds: float


def measure(rounds: int) -> Iterator[Figure]:
    """Once, whatever ``rounds`` says: it takes minutes."""
    first, again = _runs(CALL_SECONDS, 0)
    for name, run in (("first", first), ("second", again)):
        ideal = run.calls * CALL_SECONDS / IN_FLIGHT
        yield Figure(f"{name} backup of 1,000 desktops ÷ ideal", (run.seconds / ideal,), OF_IDEAL)
        yield Figure(f"{name} backup, calls each", (run.calls / MANY,))
        yield Figure(f"{name} backup, CPU of the worker each, ms", (run.cpu_seconds,))
    long, _ = _runs(0, LONG_SECONDS)
    yield Figure("1,000 operations of 6 s ÷ one", (long.seconds / LONG_SECONDS,), OF_ONE)
    sizes = _sizes()
    yield Figure("largest runner after 2 of them, MiB", (sizes[1],))
    yield Figure("largest runner after 8 of them ÷ after 2", (sizes[7] / sizes[1],), FLAT)


def _sizes() -> list[float]:
    """MiB that the largest runner takes after each of eight bulk backups."""
    with lab_of(MANY, 0, 0) as (lab, place):
        account = account_at(place)
        sizes = []
        with worker_of_ours() as worker:
            for _ in range(8):
                back_up(account, lab, worker)
                sizes.append(largest_mib(worker.pid))
        forget(account)
    return sizes


def _runs(delay: float, operation_seconds: float) -> list[Run]:
    """Back all of them up twice: the second finds what protects them in place."""
    with lab_of(MANY, delay, operation_seconds) as (lab, place):
        account = account_at(place)
        with worker_of_ours() as worker:
            runs = [back_up(account, lab, worker) for _ in range(2)]
        forget(account)
    return runs


def back_up(account: Account, lab: subprocess.Popen[str], worker: subprocess.Popen[bytes]) -> Run:
    """Back all of an account's desktops up, by one bulk task."""
    # Nothing of the run before is left to follow up.
    until(lambda: not Task.objects.active().exists())
    calls, cpu = calls_of(lab), cpu_seconds(worker.pid)
    started_at = time.monotonic()
    task = services.backup_selection(SYSTEM, account, Selection(), name="Bench")
    until(lambda: not Task.objects.active().filter(pk=task.pk).exists())
    seconds = time.monotonic() - started_at
    task.refresh_from_db()
    if task.memory.get("done") != account.resources.count():
        raise AssertionError(f"not all are done: {task.memory}")
    return Run(seconds, calls_of(lab) - calls, cpu_seconds(worker.pid) - cpu)
