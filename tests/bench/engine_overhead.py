"""What the engine adds to work: a task of three steps that do nothing, start to end."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import ClassVar

from django.db import connection
from django.utils import timezone
from django_q.tasks import async_task

from portal import engine
from portal.engine.runner import Runner
from portal.engine.workflow import Job, Step, Workflow, registry
from portal.models import Task
from tests.bench.bulk_scene import ROOT, cpu_seconds, environment_of_processes, until
from tests.bench.figure import Figure

RUNS = 20
MANY = 500
# So many tasks go by messages.
OF_MESSAGE = 50
# performance.md: at most 300 ms for one task; 4 ms of CPU for a backup of eleven calls, and a
# tenth of what a message per step costs.
ONE_TASK_MS, CPU_MS, OF_MESSAGES = 300, 4, 0.1


def _nothing(job: Job) -> dict[str, object]:
    return {}


def _workflow(kind: str, count: int) -> None:
    made = tuple(Step(f"step{n}", f"Step {n}", _nothing) for n in range(count))
    attributes: dict[str, object] = {"kind": kind, "steps": made}
    registry.register(type(kind, (Workflow,), attributes))


class _Kinds:
    three: ClassVar[str] = "bench_three"
    eleven: ClassVar[str] = "bench_eleven"


def measure(rounds: int) -> Iterator[Figure]:
    _workflow(_Kinds.three, 3)
    _workflow(_Kinds.eleven, 11)
    taken = tuple(1000 * _one_task() for _ in range(rounds))
    yield Figure("one task of three steps, ms", taken, ONE_TASK_MS)
    used = [_cpu_of_many() for _ in range(rounds)]
    name = "CPU per task of eleven steps, database's too, ms"
    yield Figure(name, tuple(1000 * (own + database) / MANY for own, database in used), CPU_MS)
    theirs = _cpu_of_messages(rounds)
    ratios = tuple(own / MANY / each for (own, _), each in zip(used, theirs, strict=True))
    yield Figure("CPU per task ÷ a django-q2 message per step", ratios, OF_MESSAGES)
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


def _cpu_of_many() -> tuple[float, float]:
    """CPU seconds of the engine, and of the database where that is a process of its own."""
    for _ in range(MANY):
        engine.start(_Kinds.eleven, title="Bench")
    started_at, database = time.process_time(), _cpu_of_database()
    Runner().run(seconds=300)
    return time.process_time() - started_at, _cpu_of_database() - database


def _cpu_of_database() -> float:
    """CPU of the server's process for this connection, if it runs on this machine."""
    if connection.vendor != "postgresql":
        return 0
    connection.ensure_connection()
    return cpu_seconds(connection.connection.info.backend_pid)


def _cpu_of_messages(rounds: int) -> list[float]:
    """CPU seconds of a cluster of django-q2 for each task of eleven messages, by round."""
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(
        [sys.executable, "manage.py", "qcluster", "--skip-checks"],
        cwd=ROOT, env=environment_of_processes(folder),
    ) as cluster:  # fmt: skip
        try:
            _send(1)
            return [_cpu_of_round(cluster) for _ in range(rounds)]
        finally:
            cluster.terminate()


def _cpu_of_round(cluster: subprocess.Popen[bytes]) -> float:
    before = cpu_seconds(cluster.pid)
    _send(OF_MESSAGE)
    return (cpu_seconds(cluster.pid) - before) / OF_MESSAGE


def _send(count: int) -> None:
    """Let so many tasks go through their eleven messages. The engine leaves them alone."""
    now = timezone.now()
    tasks = Task.objects.bulk_create(
        Task(kind=_Kinds.eleven, title="Bench", state=Task.State.DONE, deadline_at=now)
        for _ in range(count)
    )
    for task in tasks:
        async_task("tests.bench.messages.step", task.pk, 10)
    ended = Task.objects.filter(kind=_Kinds.eleven, step="step0", percent=100)
    pks = [task.pk for task in tasks]
    until(lambda: ended.filter(pk__in=pks).count() == count)
