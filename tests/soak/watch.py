"""Memory of every process of the product, looked at every few seconds."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.soak import processes
from tests.soak.clock import Clock
from tests.soak.world import World

EVERY_SECONDS = 3.0
MIB = 2**20


@dataclass
class Life:
    """One process: (seconds of the run, bytes), oldest first."""

    role: str
    samples: list[tuple[float, int]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return self.samples[-1][0] - self.samples[0][0]

    @property
    def peak(self) -> float:
        """The most it took, in MiB."""
        return max(size for _, size in self.samples) / MIB

    def growth(self, warm_seconds: float) -> float | None:
        """MiB from the most it took while it got warm to the mean of its last looks; or None.

        What a comparison of a whole cluster took is kept by Python for the next one.
        """
        first = self.samples[0][0] + warm_seconds
        getting_warm = [size for at, size in self.samples if at < first]
        warm = [size for at, size in self.samples if at >= first]
        if len(warm) < 6:
            return None
        return (sum(warm[-3:]) / 3 - max(getting_warm)) / MIB


class Watch:
    """Samples until it is told to stop."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world, self._clock = world, clock
        self.lives: dict[tuple[int, float], Life] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def peaks(self) -> dict[str, float]:
        """The largest process of each role, in MiB."""
        found: dict[str, float] = defaultdict(float)
        for life in self.lives.values():
            found[life.role] = max(found[life.role], life.peak)
        return dict(found)

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            with suppress(psutil.NoSuchProcess, LookupError):
                self._note("web", self._world.web.process().children())
            for worker in self._world.workers:
                with suppress(psutil.NoSuchProcess, LookupError):
                    # The queue's workers come before its monitor and pusher.
                    self._note("runner", processes.runners(worker)[:2])

    def _note(self, role: str, family: list[psutil.Process]) -> None:
        for process in family:
            life = self.lives.setdefault((process.pid, process.create_time()), Life(role))
            life.samples.append((self._clock.now(), process.memory_info().rss))
