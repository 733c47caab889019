"""Seconds since the run began, and when something that excuses others was wrong."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

# So long after the end of a disturbance its traces are still excused.
AFTER_SECONDS = 30.0


@dataclass
class Disturbance:
    """A blow as it was struck: from when to when, in seconds of the run."""

    name: str
    began: float
    ended: float


@dataclass
class Clock:
    """``disturbances`` are in the order of their beginnings."""

    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _began: float = field(default_factory=time.monotonic)
    disturbances: list[Disturbance] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def now(self) -> float:
        return time.monotonic() - self._began

    def at(self, when: datetime) -> float:
        """The same of a time of day."""
        return (when - self.began_at) / timedelta(seconds=1)

    def sleep_until(self, moment: float) -> bool:
        """Wait; false when the run was ended meanwhile."""
        return not self.ended.wait(max(0.0, moment - self.now()))

    def excused(self, moment: float, kinds: tuple[str, ...], after: float = AFTER_SECONDS) -> bool:
        """Whether a disturbance of such a kind was on, or had just been."""
        return any(
            each.name.startswith(kinds) and each.began - 1 <= moment <= each.ended + after
            for each in self.disturbances
        )
