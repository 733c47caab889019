"""A process that has Django loaded and forks a real worker at each line it reads.

The crash tests kill such workers with SIGKILL. Each line names the lab's control
address and CA; the answers are ``pid N`` at once and ``ended STATUS`` later.
Forking saves the second that loading Django costs, case by case.
"""

from __future__ import annotations

import os
import sys
import traceback
from datetime import datetime, timedelta
from time import monotonic

import django
import requests


class LabClock:
    """The lab's time. Idling moves it, here and there."""

    def __init__(self, control: str, ca_path: str) -> None:
        self.url = f"{control}/.lab/clock"
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = ca_path
        self._take(self.http.get(self.url, timeout=10).json())

    def _take(self, answer: dict[str, str]) -> None:
        self.at = datetime.fromisoformat(answer["now"])
        self.since = monotonic()

    def now(self) -> datetime:
        return self.at + timedelta(seconds=monotonic() - self.since)

    def idle(self, until: datetime) -> None:
        seconds = max(0.001, (until - self.now()).total_seconds())
        self._take(self.http.post(self.url, json={"advance": seconds}, timeout=10).json())


def work(control: str, ca_path: str) -> None:
    """Be a worker until no task is left."""
    from portal.engine.runner import Runner

    clock = LabClock(control, ca_path)
    while Runner(clock=clock, threads=4).run(seconds=30 * 86400):
        pass


def main() -> None:
    """Serve lines until standard input ends."""
    django.setup()
    # Loaded before the forks, for speed.
    from portal.clouds.azure import driver  # noqa: F401
    from portal.engine import runner  # noqa: F401

    for line in sys.stdin:
        control, ca_path = line.split()
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            try:
                work(control, ca_path)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(f"pid {pid}", flush=True)
        _, status = os.waitpid(pid, 0)
        print(f"ended {status}", flush=True)


if __name__ == "__main__":
    main()
