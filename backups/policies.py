"""What a person can do with the settings of a system: look at what would change, and save it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from backups.models import Backup, BackupPolicy
from backups.retention import surplus
from backups.schedule import Schedule
from portal.audit import Actor, record
from portal.engine import clock
from portal.models import Resource

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Wanted:
    """What the settings should be; the time of day is meant in the IANA zone."""

    is_scheduled: bool
    backup_time: time
    time_zone: str
    keep_scheduled: int
    keep_manual: int


@dataclass(frozen=True)
class Preview:
    """What saving would bring, said before it is done."""

    # The next three, in UTC; empty without a schedule.
    next_runs: tuple[datetime, ...]
    # Only where a running schedule gets another time, or got it today (R074).
    first_with_new_time: datetime | None
    # What the next scheduled backup would remove, the oldest first.
    removed: list[Backup]
    # So many manual backups must be deleted before another can be created (R039).
    manual_over: int


def present(policy: BackupPolicy) -> Wanted:
    """The settings as they are."""
    return Wanted(
        policy.is_scheduled,
        policy.backup_time,
        policy.time_zone,
        policy.keep_scheduled,
        policy.keep_manual,
    )


def preview(policy: BackupPolicy, wanted: Wanted, now: datetime) -> Preview:
    """Say what ``wanted`` would bring. Writes nothing."""
    runs = tuple(islice(_runs(policy, wanted, now), 3))
    resource = policy.resource
    removed = surplus(resource, Backup.Type.SCHEDULED, wanted.keep_scheduled, coming=1)
    held = Backup.objects.filter(resource=resource).held_manually().count()
    return Preview(
        next_runs=runs,
        first_with_new_time=_first_with_new_time(policy, wanted, now),
        removed=removed if wanted.is_scheduled else [],
        manual_over=max(0, held - wanted.keep_manual + 1),
    )


@transaction.atomic
def save_policy(actor: Actor, resource: Resource, wanted: Wanted) -> BackupPolicy:
    """Write the settings of a system. Starts nothing by itself (R076)."""
    # Two people saving at once take turns; so do a person and the scheduler.
    Resource.objects.select_for_update().get(pk=resource.pk)
    locked = BackupPolicy.objects.select_for_update(of=("self",)).filter(resource=resource).first()
    policy = locked or BackupPolicy.of(resource)
    before = present(policy) if locked else None
    if before == wanted:
        return policy
    starts_on, next_run_at = _course(policy, wanted, clock.now())
    policy.starts_on, policy.next_run_at = starts_on, next_run_at
    for name, value in asdict(wanted).items():
        setattr(policy, name, value)
    policy.full_clean(exclude=["resource"])
    policy.save()
    record(actor, "backup_policy.edit", resource, before=_plain(before), after=_plain(wanted))
    return policy


def _plain(wanted: Wanted | None) -> dict[str, Any] | None:
    """As the audit trail keeps it."""
    if wanted is None:
        return None
    return asdict(wanted) | {"backup_time": f"{wanted.backup_time:%H:%M}"}


def _keeps_time(policy: BackupPolicy, wanted: Wanted) -> bool:
    """Whether a schedule that runs goes on as it is."""
    return policy.is_scheduled and (policy.backup_time, policy.time_zone) == (
        wanted.backup_time,
        wanted.time_zone,
    )


def _pending(policy: BackupPolicy, now: datetime) -> datetime | None:
    """The run that stays as it was after a change: one of today, or one overdue (R074)."""
    run, zone = policy.next_run_at, ZoneInfo(policy.time_zone)
    if not policy.is_scheduled or run is None:
        return None
    is_of_today = run.astimezone(zone).date() <= now.astimezone(zone).date()
    return run if is_of_today else None


def _course(policy: BackupPolicy, wanted: Wanted, now: datetime) -> tuple[date, datetime | None]:
    """Return from which local date the time holds, and the next run, if there is any."""
    today = now.astimezone(ZoneInfo(wanted.time_zone)).date()
    if not wanted.is_scheduled:
        return today, None
    if _keeps_time(policy, wanted):
        return policy.starts_on or today, policy.next_run_at
    if not policy.is_scheduled:
        return today, _schedule(policy, wanted, today).after(now)
    starts_on, pending = today + _DAY, _pending(policy, now)
    if pending:
        of_pending = pending.astimezone(ZoneInfo(wanted.time_zone)).date()
        starts_on = max(starts_on, of_pending + _DAY)
    return starts_on, pending or _schedule(policy, wanted, starts_on).after(now)


def _runs(policy: BackupPolicy, wanted: Wanted, now: datetime) -> Iterator[datetime]:
    """Yield the runs to come."""
    starts_on, run = _course(policy, wanted, now)
    if run is None:
        return
    yield run
    yield from _schedule(policy, wanted, starts_on).runs_after(run)


def _first_with_new_time(policy: BackupPolicy, wanted: Wanted, now: datetime) -> datetime | None:
    if not (policy.is_scheduled and wanted.is_scheduled):
        return None
    starts_on, _ = _course(policy, wanted, now)
    # Only a change puts it off to another day, and it is said until that day.
    holds_already = starts_on <= now.astimezone(ZoneInfo(wanted.time_zone)).date()
    if _keeps_time(policy, wanted) and holds_already:
        return None
    return _schedule(policy, wanted, starts_on).after(_pending(policy, now) or now)


def _schedule(policy: BackupPolicy, wanted: Wanted, starts_on: date) -> Schedule:
    return Schedule(wanted.backup_time, wanted.time_zone, starts_on, policy.interval_days)
