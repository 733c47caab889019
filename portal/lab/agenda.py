"""What falls due when, over all clouds, in order of time.

An entry is a hint: whoever handles it looks at the thing itself, whether it still
exists and is still due. So things may be changed or removed without telling the agenda.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple


class Due(NamedTuple):
    """``at`` is in microseconds; ``number`` keeps the order of entries of one instant."""

    at: int
    number: int
    site: str
    kind: str
    key: str


class Agenda:
    """A heap of what is due."""

    def __init__(self) -> None:
        self._heap: list[Due] = []
        self._number = 0

    def add(self, at: int, site: str, kind: str, key: str) -> None:
        """Have this thing looked at when lab time reaches ``at``."""
        self._number += 1
        heapq.heappush(self._heap, Due(at, self._number, site, kind, key))

    def pop(self, now: int) -> Due | None:
        """Take the earliest entry that is due."""
        if self._heap and self._heap[0].at <= now:
            return heapq.heappop(self._heap)
        return None
