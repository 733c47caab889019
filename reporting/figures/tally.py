"""Sessions added up: figures of consecutive periods, of users' days, of a month.

Sessions are given one by one in the order of their start, so that only what they add up to is
kept, however many they are. Nothing here touches a database.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import NamedTuple

NONE = timedelta(0)


class Kind(NamedTuple):
    """What a session ran on; figures are told apart by it."""

    system: str
    instance_type: str
    pool: str


class Told(NamedTuple):
    """A session as figures see it. One that is live ends now."""

    started_at: datetime
    ended_at: datetime
    user_name: str
    kind: Kind
    distance_km: float | None
    first_name: str
    last_name: str
    email: str
    identity_provider: str


class Overlap(NamedTuple):
    """The part of a session within the period of this number; ``is_start``: it started there."""

    number: int
    since: datetime
    until: datetime
    is_start: bool


def overlaps(told: Told, edges: list[datetime]) -> Iterator[Overlap]:
    """The session's parts in these periods; the one it started in, though nothing of it lasts."""
    number, last = max(0, bisect_right(edges, told.started_at) - 1), len(edges) - 1
    while number < last and (edges[number] < told.ended_at or edges[number] <= told.started_at):
        since, until = max(told.started_at, edges[number]), min(told.ended_at, edges[number + 1])
        is_start = edges[number] <= told.started_at < edges[number + 1]
        if until > since or is_start:
            yield Overlap(number, since, max(since, until), is_start)
        number += 1


@dataclass(slots=True)
class Started:
    """Sessions of one kind that started in one period, and all they lasted."""

    session_count: int = 0
    total: timedelta = NONE
    distance_count: int = 0
    distance_km: float = 0.0
    unique_users: int = 0
    users: set[str] = field(default_factory=set)

    def add(self, told: Told) -> None:
        self.session_count += 1
        self.total += told.ended_at - told.started_at
        if told.distance_km is not None:
            self.distance_count += 1
            self.distance_km += told.distance_km
        self.users.add(told.user_name)

    def settle(self) -> None:
        """Nothing more comes: who it was need not be remembered."""
        self.unique_users = len(self.users)
        self.users = set()


class Tally:
    """Figures of consecutive periods. Read them after `settle`, by the period's number."""

    def __init__(self, edges: list[datetime]) -> None:
        self.edges = edges
        self.started: dict[tuple[int, Kind], Started] = {}
        self.used: dict[tuple[int, Kind], timedelta] = defaultdict(timedelta)
        self._open: list[Started] = []
        self._number = -1

    def add(self, told: Told) -> None:
        for part in overlaps(told, self.edges):
            key = (part.number, told.kind)
            if part.is_start:
                self._at(key).add(told)
            if part.until > part.since:
                self.used[key] += part.until - part.since

    def settle(self) -> None:
        for each in self._open:
            each.settle()
        self._open = []

    def _at(self, key: tuple[int, Kind]) -> Started:
        if key[0] != self._number:
            self.settle()
            self._number = key[0]
        found = self.started.get(key)
        if found is None:
            found = self.started[key] = Started()
            self._open.append(found)
        return found


@dataclass(slots=True)
class Activity:
    """What one user did on one day. Of names and the like the latest that were told."""

    first_seen_at: datetime
    last_seen_at: datetime
    session_count: int = 0
    used: timedelta = NONE
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    identity_provider: str = ""
    last_instance_type: str = ""

    def add(self, told: Told, part: Overlap) -> None:
        self.first_seen_at = min(self.first_seen_at, part.since)
        self.last_seen_at = max(self.last_seen_at, part.until)
        self.session_count += part.is_start
        self.used += part.until - part.since
        self.first_name = told.first_name or self.first_name
        self.last_name = told.last_name or self.last_name
        self.email = told.email or self.email
        self.identity_provider = told.identity_provider or self.identity_provider
        self.last_instance_type = told.kind.instance_type or self.last_instance_type


class Activities:
    """What each user did on each of consecutive days: by the day's number and the user."""

    def __init__(self, edges: list[datetime]) -> None:
        self.edges = edges
        self.found: dict[tuple[int, str], Activity] = {}

    def add(self, told: Told) -> None:
        for part in overlaps(told, self.edges):
            key = (part.number, told.user_name)
            activity = self.found.get(key)
            if activity is None:
                activity = self.found[key] = Activity(part.since, part.until)
            activity.add(told, part)


class Month:
    """One month in totals, and when the most sessions were live at once.

    A session that ends at the moment another starts is not at once with it.
    """

    def __init__(self, edges: list[datetime]) -> None:
        self.edges = edges
        self.session_count = 0
        self.total = self.used = NONE
        self.users: set[str] = set()
        self.first_session_at: datetime | None = None
        self.last_session_at: datetime | None = None
        self.peak = 0
        self.peak_at: datetime | None = None
        self._ends: list[datetime] = []

    @property
    def is_empty(self) -> bool:
        return not self.session_count and not self.used

    def add(self, told: Told) -> None:
        for part in overlaps(told, self.edges):
            self.used += part.until - part.since
            if part.is_start:
                self._start(told)
            if part.until > part.since:
                self._sweep(part)

    def _start(self, told: Told) -> None:
        self.session_count += 1
        self.total += told.ended_at - told.started_at
        self.users.add(told.user_name)
        self.first_session_at = self.first_session_at or told.started_at
        self.last_session_at = told.started_at

    def _sweep(self, part: Overlap) -> None:
        """Only ends still to come are kept: as many as are live at once."""
        while self._ends and self._ends[0] <= part.since:
            heappop(self._ends)
        heappush(self._ends, part.until)
        if len(self._ends) > self.peak:
            self.peak, self.peak_at = len(self._ends), part.since
