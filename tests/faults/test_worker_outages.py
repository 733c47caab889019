"""The worker and the portal as real processes while their database is away."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.relay import Relay
from tests.matrix.strides import is_whole
from tests.processes.test_worker import home, work

__all__ = ["home"]

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
# A start of the cluster takes more than a second of CPU; waiting must take next to nothing.
MOST_CPU_SECONDS = 1.0


class Worker:
    """`manage.py worker` behind a relay; what it says is kept, line by line."""

    def __init__(self, environment: dict[str, str], relay: Relay) -> None:
        base, _, _ = environment["DATABASE_URL"].partition("?host=")
        command = [sys.executable, "manage.py", "worker", "--grace", "3"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stderr=subprocess.PIPE, text=True,
            env=environment | {"DATABASE_URL": f"{base}?host={relay.folder}"},
        )  # fmt: skip
        self.lines: list[str] = []
        self._heard = threading.Condition()
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        assert self.process.stderr
        with self.process.stderr:
            for line in self.process.stderr:
                with self._heard:
                    self.lines.append(line)
                    self._heard.notify_all()

    def says(self, word: str, times: int = 1, seconds: float = 60) -> None:
        """Wait until it has said this so often."""

        def heard() -> bool:
            return sum(word in line for line in self.lines) >= times

        with self._heard:
            assert self._heard.wait_for(heard, seconds), "".join(self.lines)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
        self._listener.join()


@pytest.fixture
def start(relay: Relay, process_environment: dict[str, str]) -> Iterator[Callable[[], Worker]]:
    """Return what starts a worker; all are ended with the test."""
    started: list[Worker] = []

    def begin() -> Worker:
        started.append(Worker(process_environment, relay))
        return started[-1]

    yield begin
    for each in started:
        each.close()


def test_a_worker_waits_for_its_database_without_burning_cpu(
    relay: Relay, start: Callable[[], Worker], home: socket.socket
) -> None:
    relay.go_down()
    worker = start()
    worker.says("worker waits for the database")
    process = psutil.Process(worker.process.pid)
    before = sum(process.cpu_times()[:2])
    for _ in range(3):
        relay.refusals.get(timeout=60)
    assert not worker.family()
    assert sum(process.cpu_times()[:2]) - before < MOST_CPU_SECONDS
    relay.come_back()
    assert work(home)
    assert sum("worker waits for the database" in line for line in worker.lines) == 1
    assert not any("Traceback" in line for line in worker.lines)


@pytest.mark.skipif(not is_whole(), reason="half a minute of outage: STANDBY_MATRIX=all")
def test_a_worker_outlives_an_outage_and_says_it_in_single_lines(
    relay: Relay, start: Callable[[], Worker], home: socket.socket
) -> None:
    worker = start()
    work(home)
    # The tick and the start's own wake are over as well: none of them is being written off.
    worker.says("Processed '", times=2)
    relay.go_down()
    worker.says("Failed to pull task from broker", times=2)
    relay.come_back()
    assert work(home)
    # django-q2 has put another pusher in the place of the one that gave up: no restart.
    assert not any("worker restarts" in line for line in worker.lines)
    assert not any("Traceback" in line for line in worker.lines)
