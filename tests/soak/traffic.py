"""Every request to the portal: paced together, counted by status, and what must not be, kept."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from typing import Any

import requests

from tests.soak.clock import Clock

TIMEOUT_SECONDS = 60
NO_ANSWER = 0
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d+(?=/)")


class Traffic:
    """``rate`` requests in a second at most, from all threads together."""

    def __init__(self, rate: float, clock: Clock) -> None:
        self._lock, self._gap, self._next = threading.Lock(), 1 / rate, 0.0
        self._clock = clock
        self.statuses: Counter[str] = Counter()
        self.seconds: list[float] = []
        # When, what and how: answers of 5xx, of 403 to a form, and connections without an answer.
        self.odd: list[tuple[float, int, str]] = []

    def send(self, http: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
        """Send one when it is its turn. Raises requests.RequestException without an answer."""
        self._await_turn()
        begun, shape = time.monotonic(), f"{method} {_ID.sub('*', url.partition('//')[2])}"
        try:
            # A connection that is kept may be closed by the server just as it is used again.
            http.headers["Connection"] = "close"
            answer = http.request(method, url, timeout=TIMEOUT_SECONDS, **more)
        except requests.RequestException as error:
            self._note(NO_ANSWER, f"{shape}: {type(error).__name__}", begun)
            raise
        self._note(answer.status_code, shape, begun)
        return answer

    def _await_turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next + self._gap, now)
            wait = self._next - now
        time.sleep(wait)

    def _note(self, status: int, what: str, begun: float) -> None:
        with self._lock:
            self.statuses[str(status or "none")] += 1
            self.seconds.append(time.monotonic() - begun)
            is_refused = status == 403 and what.startswith("POST")
            if status == NO_ANSWER or is_refused or status >= 500:
                self.odd.append((self._clock.now(), status, what))

    def percentile(self, share: float) -> float:
        """Seconds within which so many of all requests were answered."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
