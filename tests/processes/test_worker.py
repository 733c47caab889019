"""The worker as real processes: whichever of them is killed, work goes on and none is left over."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import psutil
import pytest
from django_q.models import OrmQ
from django_q.tasks import async_task

from portal.engine import start
from portal.models import Task
from reporting.purge.workflow import PURGE
from tests.processes.test_group import ended_within

ROOT = Path(__file__).resolve().parents[2]
# The issue says "within seconds"; two cores may be busy with other tests.
WORK_SECONDS = 30


@contextmanager
def worker(environment: dict[str, str]) -> Iterator[psutil.Process]:
    """Run `manage.py worker`; end it, and require that nothing of it is left."""
    command = [sys.executable, "manage.py", "worker", "--grace", "3"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        supervisor = psutil.Process(process.pid)
        try:
            yield supervisor
        finally:
            family = supervisor.children(recursive=True)
            process.terminate()
            process.wait(timeout=20)
            assert ended_within(10, family)


@pytest.fixture
def home() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WORK_SECONDS)
        yield server


def work(home: socket.socket) -> int:
    """Queue one message and wait until a worker has run it; return that worker's process id."""
    async_task("tests.processes.calls.call_home", home.getsockname()[1])
    caller, _ = home.accept()
    with caller:
        return int(caller.recv(20))


def member(supervisor: psutil.Process, role: str, busy_worker: int) -> psutil.Process:
    """Find one process of the cluster: the parent's only child is the sentinel, and so on."""
    parent = next(child for child in supervisor.children() if "qcluster" in child.cmdline())
    sentinel = parent.children()[0]
    idle = [child for child in sentinel.children() if child.pid != busy_worker]
    # The sentinel starts the two workers first, then the monitor, then the pusher.
    by_role = dict(zip(("worker", "monitor", "pusher"), idle, strict=True))
    return (by_role | {"parent": parent, "sentinel": sentinel})[role]


@pytest.mark.parametrize("role", ["worker", "monitor", "pusher", "sentinel", "parent"])
def test_work_goes_on_after_any_process_of_the_cluster_was_killed(
    role: str, process_environment: dict[str, str], home: socket.socket
) -> None:
    with worker(process_environment) as supervisor:
        busy = work(home)
        victim = member(supervisor, role, busy)
        cluster = supervisor.children(recursive=True)
        victim.kill()
        assert ended_within(WORK_SECONDS, cluster)
        assert work(home) not in [process.pid for process in cluster]


def test_work_goes_on_under_another_secret_key(process_environment: dict[str, str]) -> None:
    """Wakes that were queued before carry nothing: they are dropped, the task is found."""
    task = start(PURGE, title="Purge records")
    wakes = list(OrmQ.objects.values_list("pk", flat=True))
    assert wakes
    with worker(process_environment | {"SECRET_KEY": "another one"}):
        for _ in range(WORK_SECONDS * 20):
            task.refresh_from_db()
            left = OrmQ.objects.filter(pk__in=wakes).exists()
            if not task.is_active and not left:
                break
            Event().wait(0.05)
    assert (task.state, left) == (Task.State.DONE, False), task.error


def test_a_killed_supervisor_leaves_no_process_behind(
    process_environment: dict[str, str], home: socket.socket
) -> None:
    command = [sys.executable, "manage.py", "worker"]
    with subprocess.Popen(
        command, cwd=ROOT, env=process_environment, stderr=subprocess.DEVNULL
    ) as process:
        work(home)
        family = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGKILL)
    assert len(family) == 7  # guard, parent, sentinel, two workers, monitor, pusher
    assert ended_within(10, family)
