"""Lab time: real time scaled, plus jumps. Everything in the lab moves with it, nothing else moves it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """``now = start + real elapsed * scale + advances``. Safe for threads."""

    def __init__(self, scale: float = 1.0, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._base = start or datetime.now(UTC)
        self._since = time.monotonic()
        self._scale = scale

    def now(self) -> datetime:
        """Return lab time, aware, in UTC."""
        with self._lock:
            return self._now()

    def _now(self) -> datetime:
        return self._base + timedelta(seconds=(time.monotonic() - self._since) * self._scale)

    def now_usecs(self) -> int:
        """Return lab time in microseconds since the epoch, as the wire has it."""
        return int(self.now().timestamp() * 1_000_000)

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        with self._lock:
            self._base += timedelta(seconds=seconds)

    @property
    def scale(self) -> float:
        """Lab seconds per real second."""
        return self._scale

    @scale.setter
    def scale(self, value: float) -> None:
        with self._lock:
            self._base, self._since = self._now(), time.monotonic()
            self._scale = value
