"""The engine's clock. Passed in, so that tests can let hours go by in no time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Protocol

from django.utils import timezone

# A runner with nothing to do looks for new tasks this often: the delay of a lost wake.
LOOK_SECONDS = 0.2


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the time, aware, in UTC."""

    def idle(self, until: datetime) -> None:
        """Let time pass, at most to ``until``; may return earlier."""


class SystemClock:
    """Real time. Idles in short turns, because another process may start a task meanwhile."""

    def __init__(self) -> None:
        self._never = threading.Event()

    def now(self) -> datetime:
        return timezone.now()

    def idle(self, until: datetime) -> None:
        seconds = (until - self.now()).total_seconds()
        if seconds > 0:
            self._never.wait(min(seconds, LOOK_SECONDS))


_passed: ContextVar[Clock | None] = ContextVar("clock", default=None)


def now() -> datetime:
    """Return the time by the clock in use, the system's own unless `using` says otherwise."""
    clock = _passed.get()
    return clock.now() if clock else timezone.now()


@contextmanager
def using(clock: Clock) -> Iterator[None]:
    """Let what a block starts and writes down go by this clock, as a runner's hooks do."""
    token = _passed.set(clock)
    try:
        yield
    finally:
        _passed.reset(token)
