"""Lab time: real time, scaled, plus jumps. Nothing else moves anything in the lab."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """``now = start + real time elapsed * scale + advances``. Threads may share it.

    ``scale`` is lab seconds per real second; with 0 only `advance` moves the clock.
    """

    def __init__(self, scale: float = 1.0, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._base = to_usecs(start or datetime.now(UTC))
        self._since = time.monotonic()
        self._scale = scale
        self._listeners: list[Callable[[], None]] = []

    def now_usecs(self) -> int:
        """Return microseconds since the epoch, the wire's unit."""
        with self._lock:
            return self._now()

    def now(self) -> datetime:
        """Return the time in UTC."""
        return from_usecs(self.now_usecs())

    def _now(self) -> int:
        return self._base + int((time.monotonic() - self._since) * self._scale * SECOND)

    def advance(self, seconds: float) -> None:
        """Jump ahead; whatever falls due on the way has happened on return."""
        if seconds < 0:
            raise ValueError("lab time does not run backwards")
        with self._lock:
            self._base += int(seconds * SECOND)
        for listener in self._listeners:
            listener()

    @property
    def scale(self) -> float:
        """Lab seconds per real second."""
        return self._scale

    @scale.setter
    def scale(self, scale: float) -> None:
        if scale < 0:
            raise ValueError("lab time does not run backwards")
        with self._lock:
            self._base, self._since = self._now(), time.monotonic()
            self._scale = scale

    def on_advance(self, listener: Callable[[], None]) -> None:
        """Call this after each jump, in the thread that jumped."""
        self._listeners.append(listener)


def to_usecs(moment: datetime) -> int:
    """Return microseconds since the epoch."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_usecs(usecs: int) -> datetime:
    """Return the moment, in UTC."""
    return _EPOCH + timedelta(microseconds=usecs)
