"""How fast an account's bytes travel between its sites, and how long a return takes (R100)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backups.models import Backup, Replica
from backups.services import estimate_minutes, usable_replica
from portal.models import Account

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
class ReturnTime:
    """Minutes a restore should take, from the local copy and from the replica (R100)."""

    local: tuple[int, int]
    replica: tuple[int, int]
    is_measured: bool


def return_time(account: Account, size_bytes: int) -> ReturnTime:
    """By the measured rate of this account; by the local estimate where none was measured."""
    return return_time_at(measured_rate(account), size_bytes)


def return_time_at(rate: float | None, size_bytes: int) -> ReturnTime:
    """The same by a rate that is known already."""
    low, high = estimate_minutes(size_bytes)
    if rate is None:
        return ReturnTime((low, high), (2 * low, 3 * high), is_measured=False)
    travel = size_bytes / rate / 60
    back = (max(1, round(low + travel)), max(2, round(high + travel * 1.5)))
    return ReturnTime((low, high), back, is_measured=True)


def replica_choice(backup: Backup) -> dict[str, Any]:
    """What a Restore dialog says of the replica (R050): offered, usable, how long each takes."""
    account = backup.account
    replica = usable_replica(backup)
    return {
        "offers_replica": account.dr_enabled or replica is not None,
        "replica": replica,
        "times": return_time(account, backup.size_bytes or backup.resource.size_bytes),
    }
