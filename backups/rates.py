"""How fast an account's bytes travel between its sites, and how long a return takes (R100)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backups.models import Backup, Replica
from backups.services import estimate_minutes, usable_replica
from backups.throttle import Travel, limit_at, read, travel
from portal.clouds.api import Bandwidth
from portal.engine import clock
from portal.models import Account
from portal.templatetags.ui import duration, size

# The latest replications tell the rate; old ones tell of another link.
SAMPLE = 50


def measured_rate(account: Account) -> float | None:
    """Bytes a second of the latest replications, waiting left out; None without any."""
    done = Replica.objects.filter(account=account, status=Replica.Status.DONE)
    latest = done.filter(started_at__isnull=False).order_by("-completed_at")
    moved = seconds = 0.0
    for replica in latest.only("sent_bytes", "started_at", "completed_at")[:SAMPLE]:
        if took := replica.took:
            moved += replica.sent_bytes
            seconds += took.total_seconds()
    return moved / seconds if seconds else None


@dataclass(frozen=True)
class Pace:
    """How fast bytes travel from ``at`` on: by the measured rate, where no limit is tighter."""

    rate: float | None
    throttle: Bandwidth | None
    at: datetime

    def travel(self, size_bytes: int) -> Travel:
        """How long so many bytes take; as fast as here where no rate was measured (R024)."""
        rate = self.rate or size_bytes / (60 * estimate_minutes(size_bytes)[0]) or 1.0
        return travel(size_bytes, rate, self.throttle, self.at)

    def reason(self, size_bytes: int) -> str:
        """By what so many bytes are as slow as they are, in words (R117)."""
        took = self.travel(size_bytes)
        measured = "the measured rate" if self.rate else "an assumed rate: none was measured yet"
        if self.throttle is None:
            return f"By {measured}"
        if took.throttled_seconds <= 0:
            return f"By {measured}; Bandwidth Throttling allows more"
        if took.seconds - took.throttled_seconds < 1:
            limit = limit_at(self.throttle, self.at)
            return f"By Bandwidth Throttling, {size(limit)}/s now"
        span = duration(took.throttled_seconds)
        return f"By Bandwidth Throttling for {span} of it, else by {measured}"


def pace_there(account: Account, rate: float | None) -> Pace:
    """How fast a replication goes that begins now."""
    return Pace(rate, read(account.dr_throttles.get("there", {})), clock.now())


def pace_back(account: Account, rate: float | None) -> Pace:
    """How fast a replica comes back that is asked for now: it is the secondary that sends."""
    return Pace(rate, read(account.dr_throttles.get("back", {})), clock.now())


@dataclass(frozen=True)
class ReturnTime:
    """Minutes a restore should take, from the local copy and from the replica (R100).

    ``reason`` is what decides how long the replica travels: the rate, or the throttle (R117).
    """

    local: tuple[int, int]
    replica: tuple[int, int]
    is_measured: bool
    reason: str


def return_time(account: Account, size_bytes: int) -> ReturnTime:
    """By the measured rate of this account; by the local estimate where none was measured."""
    return return_time_at(pace_back(account, measured_rate(account)), size_bytes)


def return_time_at(pace: Pace, size_bytes: int) -> ReturnTime:
    """The same by a pace that is known already."""
    low, high = estimate_minutes(size_bytes)
    minutes = pace.travel(size_bytes).seconds / 60
    least, most = max(1, round(low + minutes)), max(2, round(high + minutes * 1.5))
    if pace.rate is None:
        least, most = max(least, 2 * low), max(most, 3 * high)
    is_measured = pace.rate is not None
    return ReturnTime((low, high), (least, most), is_measured, pace.reason(size_bytes))


def replica_choice(backup: Backup) -> dict[str, Any]:
    """What a Restore dialog says of the replica (R050): offered, usable, how long each takes."""
    account = backup.account
    replica = usable_replica(backup)
    return {
        "offers_replica": account.dr_enabled or replica is not None,
        "replica": replica,
        "times": return_time(account, backup.size_bytes or backup.resource.size_bytes),
    }
