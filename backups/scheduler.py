"""What the clock starts: each policy's run, once, however many schedulers look (R033, Q8).

A tick reads due policies in batches. One transaction inserts the tasks and backups of a batch
and moves the policies on, so a process that dies leaves a policy due, never skipped. On
PostgreSQL two schedulers lock different rows; on SQLite they take turns; and the database
refuses a second backup for the same run.

A run whose system is busy waits. What could not begin within six hours is marked Missed.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q

from backups import services
from backups.models import Backup, BackupPolicy, BackupPolicyQuerySet
from portal import engine
from portal.engine import clock
from portal.engine.ticks import every_minute
from portal.models import Account, Notification, Task
from portal.notify import tell

LATE_AT_MOST = timedelta(hours=6)
# A tick comes once a minute: so much later than due is not late.
_GRACE = timedelta(minutes=5)
BATCH = 1000
NAMES = 3


@dataclass(frozen=True)
class Turn:
    """What the clock finds for one policy: the run to start, the last one missed, the next."""

    policy: BackupPolicy
    is_busy: bool
    run: datetime | None
    missed: datetime | None
    next_run_at: datetime


@every_minute
def run_due() -> None:
    """Start what is due. Safe to call at any time, from any number of processes."""
    start_due(clock.now())


def start_due(now: datetime) -> int:
    """Start every run that is due by ``now``, batch by batch; return how many were started."""
    started = 0
    while batch := _start_batch(now):
        started += batch[1]
    return started


@transaction.atomic
def _start_batch(now: datetime) -> tuple[int, int] | None:
    """Settle one batch of policies: (policies, runs started); None when none is left to settle."""
    policies = list(_claim(now))
    if not policies:
        return None
    turns = [_turn(policy, now) for policy in policies]
    got_in = _start([turn for turn in turns if turn.run], now)
    _mark_missed([turn for turn in turns if turn.missed])
    settled = [turn for turn in turns if turn.run is None or turn.policy.pk in got_in]
    _move_on(settled)
    # A batch of which nothing could be settled would be read again for ever.
    return (len(settled), len(got_in)) if settled else None


def _claim(now: datetime) -> BackupPolicyQuerySet:
    """Due policies that can be settled: the system is free, or the run is too late to wait."""
    busy = Task.objects.active().filter(resource=OuterRef("resource"), is_exclusive=True)
    due = BackupPolicy.objects.due(now).filter(
        Q(next_run_at__lt=now - LATE_AT_MOST) | ~Exists(busy)
    )
    due = due.select_related("resource__account").annotate(is_busy=Exists(busy))
    skip = connection.features.has_select_for_update_skip_locked
    return due.select_for_update(of=("self",), skip_locked=skip)[:BATCH]


def _turn(policy: Any, now: datetime) -> Turn:
    """Find what became due; of several runs passed over, all but the last are missed."""
    schedule = policy.schedule
    run, missed = policy.next_run_at, None
    while run < now - LATE_AT_MOST:
        run, missed = schedule.after(run), run
    if run > now or policy.is_busy:
        return Turn(policy, policy.is_busy, None, missed, run)
    return Turn(policy, False, run, missed, schedule.after(run))


def _start(turns: list[Turn], now: datetime) -> set[uuid.UUID]:
    """Insert tasks and backups; return the policies whose task got in."""
    backups = [_backup(turn, now) for turn in turns]
    tasks = [_task(backup, now) for backup in backups]
    if not tasks:
        return set()
    started = engine.start_many(tasks)
    for backup, task in zip(backups, tasks, strict=True):
        backup.task = task
    made = [backup for backup in backups if backup.task_id in started]
    Backup.objects.bulk_create(made)
    return {
        turn.policy.pk
        for turn, backup in zip(turns, backups, strict=True)
        if backup.task_id in started
    }


def _backup(turn: Turn, now: datetime) -> Backup:
    resource, run = turn.policy.resource, turn.run
    late = now - run if run else timedelta()
    return Backup(
        resource=resource,
        name=name_of(run, turn.policy),
        description=f"Late: was due at {_local(run, turn.policy):%H:%M}." if late > _GRACE else "",
        type=Backup.Type.SCHEDULED,
        site=resource.account.site,
        due_at=run,
        created_at=now,
    )


def _task(backup: Backup, now: datetime) -> Task:
    resource = backup.resource
    return engine.draft(
        "create_backup",
        now,
        title=f"Backup {services.label_of(resource)}",
        subject=backup.name,
        account=resource.account,
        cloud_account_id=resource.cloud_account_id,
        resource=resource,
        is_exclusive=True,
        is_maintenance=True,
        origin=Task.Origin.SCHEDULE,
        # Who switched the schedule on was told that the server is unavailable meanwhile (R034).
        args=services.args_of(resource, backup, may_power_off=True),
    )


def _mark_missed(turns: list[Turn]) -> None:
    """Leave an entry for the last run each policy missed, and tell each account once (Q8)."""
    Backup.objects.bulk_create(map(_entry, turns))
    by_account: dict[Account, list[Turn]] = defaultdict(list)
    for turn in turns:
        by_account[turn.policy.resource.account].append(turn)
    for account, missed in by_account.items():
        tell(account, Notification.Level.WARNING, _missed_title(missed), _missed_body(missed))


def _entry(turn: Turn) -> Backup:
    policy, missed = turn.policy, _known(turn.missed)
    return Backup(
        resource=policy.resource,
        name=name_of(missed, policy),
        type=Backup.Type.SCHEDULED,
        status=Backup.Status.MISSED,
        due_at=missed,
        created_at=missed,
        error=_why_missed(turn),
    )


def _why_missed(turn: Turn) -> str:
    policy = turn.policy
    why = "the system was busy" if turn.is_busy else "no worker was running"
    said = f"Due at {_local(turn.missed, policy):%H:%M} {policy.time_zone}, {why} for 6 hours."
    if policy.next_run_at != turn.missed:
        said += f" So were the runs since {_day(policy.next_run_at, policy)}."
    return said


def _missed_title(missed: list[Turn]) -> str:
    if len(missed) == 1:
        return f"Scheduled backup of {missed[0].policy.resource} missed"
    return f"Scheduled backups of {len(missed)} systems missed"


def _missed_body(missed: list[Turn]) -> str:
    names = sorted(str(turn.policy.resource) for turn in missed)
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return (
        f"{', '.join(names[:NAMES])}{more}: could not begin within 6 hours of the time set. "
        "The next runs are made as scheduled. Create a backup now if one is needed before."
    )


def _move_on(turns: Iterable[Turn]) -> None:
    """Set the next run, by one statement for all that share it."""
    by_time: dict[datetime, list[uuid.UUID]] = defaultdict(list)
    for turn in turns:
        by_time[turn.next_run_at].append(turn.policy.pk)
    for next_run_at, ids in by_time.items():
        BackupPolicy.objects.filter(pk__in=ids).update(next_run_at=next_run_at)


def name_of(run: datetime | None, policy: BackupPolicy) -> str:
    """Name of the backup of a run: ``Scheduled 17 Nov 2026``, by its local day."""
    return f"Scheduled {_day(run, policy)}"


def _day(run: datetime | None, policy: BackupPolicy) -> str:
    local = _local(run, policy)
    return f"{local.day} {local:%b %Y}"


def _local(run: datetime | None, policy: BackupPolicy) -> datetime:
    return _known(run).astimezone(ZoneInfo(policy.time_zone))


def _known(run: datetime | None) -> datetime:
    if run is None:
        raise ValueError("a turn without a run has no time")
    return run
