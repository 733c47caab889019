"""A clock for the engine that lets hours go by in no time, and takes the lab's clock along."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.utils import timezone


class JumpClock:
    """Stands still, except where the runner idles: then it jumps to what it waits for.

    ``on_jump(seconds)`` moves the lab's clock by the same amount.
    """

    def __init__(self, on_jump: Callable[[float], object] | None = None) -> None:
        self.time = timezone.now()
        self.on_jump = on_jump

    def now(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        """Let time pass, here and in the lab."""
        if seconds > 0:
            self.time += timedelta(seconds=seconds)
            if self.on_jump:
                self.on_jump(seconds)

    def idle(self, until: datetime) -> None:
        self.advance(max(0.001, (until - self.time).total_seconds()))
