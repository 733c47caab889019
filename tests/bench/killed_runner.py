"""What a worker killed in the midst of a bulk backup costs: calls made twice, nothing else.

The same backup is made twice, the second time with every process of the worker killed when a
third of it is done, and another worker started. What it takes more of calls than the first was
in flight, or had come back and was not yet committed.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress

from django.conf import settings

from portal.audit import SYSTEM
from portal.models import Account, Task
from tests.bench.bulk_scene import (
    account_at,
    below,
    calls_of,
    forget,
    lab_of,
    until,
    worker_of_ours,
)
from tests.bench.figure import Figure
from volumes import services
from volumes.selection import Selection

MANY = 200
CALL_SECONDS = 0.1


def measure(rounds: int) -> Iterator[Figure]:
    """Once, whatever ``rounds`` says: a lease has to run out meanwhile."""
    with lab_of(MANY, CALL_SECONDS, 0) as (lab, place):
        account = account_at(place)
        with worker_of_ours():
            _calls_of_backup(account, lab)  # the first one protects them, too
            plain = _calls_of_backup(account, lab)
        before, task = calls_of(lab), None
        with worker_of_ours() as worker:
            task = services.backup_selection(SYSTEM, account, Selection(), name="Killed")
            until(lambda: _ended(task) >= MANY // 3)
            _kill(worker)
        with worker_of_ours():
            repeated = _wait(task, lab) - before - plain
        forget(account)
    # Each thread has one call in flight, and one more may have come back.
    at_hand = 2 * settings.ENGINE_THREADS * settings.Q_CLUSTER["workers"]
    yield Figure("killed runner: calls repeated", (repeated,))
    yield Figure("killed runner: calls repeated ÷ at hand", (repeated / at_hand,), 1)


def _calls_of_backup(account: Account, lab: subprocess.Popen[str]) -> int:
    before = calls_of(lab)
    task = services.backup_selection(SYSTEM, account, Selection(), name="Bench")
    return _wait(task, lab) - before


def _wait(task: Task, lab: subprocess.Popen[str]) -> int:
    """Wait for its end and what follows it; return the calls so far. All have to be done."""
    until(lambda: not Task.objects.active().exists())
    task.refresh_from_db()
    if task.memory.get("done") != MANY:
        raise AssertionError(f"not all are done: {task.memory}")
    return calls_of(lab)


def _ended(task: Task) -> int:
    return task.children.filter(state=Task.State.DONE).count()


def _kill(worker: subprocess.Popen[bytes]) -> None:
    """Kill all of its processes, the one that would start others first."""
    for pid in (worker.pid, *below(worker.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
