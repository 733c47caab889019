"""What the engine adds to work: a task of three steps that do nothing, start to end."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import ClassVar

from portal import engine
from portal.engine.runner import Runner
from portal.engine.workflow import Job, Step, Workflow, registry
from portal.models import Task
from tests.bench.figure import Figure

RUNS = 20
MANY = 500
# performance.md: at most 300 ms for one task; 4 ms of CPU for a backup of eleven calls.
ONE_TASK_MS = 300
CPU_MS = 4


def _nothing(job: Job) -> dict[str, object]:
    return {}


def _workflow(kind: str, count: int) -> None:
    made = tuple(Step(f"step{n}", f"Step {n}", _nothing) for n in range(count))
    attributes: dict[str, object] = {"kind": kind, "steps": made}
    registry.register(type(kind, (Workflow,), attributes))


class _Kinds:
    three: ClassVar[str] = "bench_three"
    eleven: ClassVar[str] = "bench_eleven"


def measure() -> Iterator[Figure]:
    _workflow(_Kinds.three, 3)
    _workflow(_Kinds.eleven, 11)
    yield Figure("one task of three steps, ms", 1000 * _one_task(), ONE_TASK_MS)
    yield Figure("CPU per task of eleven steps, ms", 1000 * _cpu_of_many() / MANY, CPU_MS)
    Task.objects.filter(kind__in=[_Kinds.three, _Kinds.eleven]).delete()
    for kind in (_Kinds.three, _Kinds.eleven):
        del registry.workflows[kind]


def _one_task() -> float:
    return statistics.median(_timed_task() for _ in range(RUNS))


def _timed_task() -> float:
    started_at = time.perf_counter()
    engine.start(_Kinds.three, title="Bench")
    Runner().run(seconds=30)
    return time.perf_counter() - started_at


def _cpu_of_many() -> float:
    for _ in range(MANY):
        engine.start(_Kinds.eleven, title="Bench")
    started_at = time.process_time()
    Runner().run(seconds=300)
    return time.process_time() - started_at
