"""What the clock starts: each policy's run, once, however many schedulers look (R033, Q8).

A tick reads due policies in batches, and treats all that share time, zone and due run alike.
One transaction inserts tasks and backups and moves the policies on, so a process that dies
leaves a policy due, never skipped. On PostgreSQL two schedulers lock different rows; on SQLite
they take turns; and task and backup have an id made from policy and run, so that the database
refuses a second one.

A run whose system is busy waits. What could not begin within six hours is marked Missed.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from django.db import DatabaseError, connection, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Concat, JSONObject, Left

from backups.models import Backup, BackupPolicy, note_latest
from backups.schedule import Schedule
from portal import engine
from portal.bulk import Dashed, among, as_text, insert_from, lock_in_order, uuid_from
from portal.engine import clock
from portal.engine.requests import TITLE_LENGTH
from portal.engine.ticks import every_minute
from portal.models import Account, Notification, Resource, Task
from portal.notify import tell
from portal.outages import is_down

log = structlog.get_logger(__name__)

LATE_AT_MOST = timedelta(hours=6)
# A tick comes once a minute: so much later than due is not late.
_GRACE = timedelta(minutes=5)
BATCH = 5000
NAMES = 3


class Plan(NamedTuple):
    """What policies that run together share."""

    next_run_at: datetime
    backup_time: time
    time_zone: str
    starts_on: date
    interval_days: int
    is_busy: bool

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.backup_time, self.time_zone, self.starts_on, self.interval_days)


@dataclass(frozen=True)
class Turn:
    """What the clock finds: the run to start, the last one missed, the next."""

    plan: Plan
    run: datetime | None
    missed: datetime | None
    next_run_at: datetime

    @property
    def moves(self) -> dict[str, datetime]:
        """How a policy is moved on: to its next run, and the one that is settled by that."""
        last = self.run or self.missed
        return {"next_run_at": self.next_run_at} | ({"last_run_at": last} if last else {})


@every_minute
def run_due() -> None:
    """Start what is due. Safe to call at any time, from any number of processes."""
    start_due(clock.now())


def start_due(now: datetime) -> None:
    """Start every run that is due by ``now``, batch by batch."""
    while _settle_batch(now):
        pass


@transaction.atomic
def _settle_batch(now: datetime) -> bool:
    """Start, or mark as missed, what a batch of policies has due; False when none was settled."""
    plans: dict[Plan, list[uuid.UUID]] = defaultdict(list)
    for pk, plan in _claim(now):
        plans[plan].append(pk)
    settled = 0
    for plan, ids in plans.items():
        try:
            settled += _settle(plan, ids, now)
        except (DatabaseError, ZoneInfoNotFoundError) as error:
            if is_down(error):
                raise  # nobody else gets on either; the next minute tries all of it again
            # These stay due and are tried again; they must not hold the others up.
            log.exception("due policies cannot be settled", count=len(ids), zone=plan.time_zone)
    # What could not be settled would be read again for ever.
    return settled > 0


@transaction.atomic
def _settle(plan: Plan, ids: list[uuid.UUID], now: datetime) -> int:
    """Start, or mark as missed, what these have due; return how many have moved on."""
    turn = turn_of(plan, now)
    if turn.missed:
        mark_missed(turn, turn.missed, Resource.objects.filter(backup_policy__in=among(ids)))
    if turn.run:
        ids = _start(turn, turn.run, ids, now)
    return BackupPolicy.objects.filter(pk__in=among(ids)).update(**turn.moves)


def _claim(now: datetime) -> Iterator[tuple[uuid.UUID, Plan]]:
    """Lock due policies that can be settled: the system is free, or the run too late to wait."""
    busy = Task.objects.active().filter(resource=OuterRef("resource"), is_exclusive=True)
    due = BackupPolicy.objects.due(now).annotate(is_busy=Exists(busy))
    due = due.filter(Q(next_run_at__lt=now - LATE_AT_MOST) | Q(is_busy=False))
    skip = connection.features.has_select_for_update_skip_locked
    locked = due.select_for_update(skip_locked=skip)[:BATCH]
    for pk, *shared in locked.values_list("pk", *Plan._fields):
        yield pk, Plan(*shared)


def turn_of(plan: Plan, now: datetime) -> Turn:
    """Find what became due; of several runs passed over, all but the last are missed."""
    run, missed = plan.next_run_at, None
    while run < now - LATE_AT_MOST:
        run, missed = plan.schedule.after(run), run
    if run > now or plan.is_busy:
        return Turn(plan, None, missed, run)
    return Turn(plan, run, missed, plan.schedule.after(run))


# Starting


def _start(turn: Turn, run: datetime, ids: list[uuid.UUID], now: datetime) -> list[uuid.UUID]:
    """Insert tasks and backups of a run; return the policies that have theirs."""
    run_id = uuid_from(as_text("pk"), Value(run.isoformat()))
    policies = BackupPolicy.objects.filter(pk__in=among(ids)).annotate(run_id=run_id)
    name = name_of(run, turn.plan.time_zone)
    made = engine.start_for_each("create_backup", policies, now, _task(run_id, name))
    if made < len(ids):
        # A system became busy meanwhile, or the run was started before: then its task is there.
        policies = policies.filter(Exists(Task.objects.filter(pk=OuterRef("run_id"))))
        ids = list(policies.values_list("pk", flat=True))
    systems = Resource.objects.filter(backup_policy__in=among(ids))
    lock_in_order(systems)
    insert_from(Backup, policies, _backup(run_id, name, turn, run, now))
    note_latest(systems)
    return ids


def _task(run_id: object, name: str) -> dict[str, object]:
    """Columns of the task; titles and arguments are those of `backups.services`."""
    label = Case(
        When(resource__kind=Resource.Kind.SANDBOX, then=Value("Sandbox")),
        default=F("resource__name"),
    )
    return {
        "id": run_id,
        "title": Left(Concat(Value("Backup "), label), TITLE_LENGTH),
        "subject": name,
        "account": F("resource__account"),
        "cloud_account": F("resource__cloud_account"),
        "resource": F("resource"),
        "is_exclusive": True,
        "is_maintenance": True,
        "origin": Task.Origin.SCHEDULE,
        # Who switched the schedule on was told that the server is unavailable meanwhile (R034).
        "args": JSONObject(
            server=F("resource__external_id"),
            account=Dashed(F("resource__account")),
            resource=Dashed(F("resource")),
            backup=Dashed(run_id),
            type=Value(Backup.Type.SCHEDULED),
            may_power_off=Value(True),
        ),
    }


def _backup(
    run_id: object, name: str, turn: Turn, run: datetime, now: datetime
) -> dict[str, object]:
    return {
        "id": run_id,
        "task": run_id,
        "resource": F("resource"),
        "account": F("resource__account"),
        "kind": F("resource__kind"),
        "name": name,
        "description": was_late(turn, run, now),
        "type": Backup.Type.SCHEDULED,
        "status_changed_at": now,
        "created_at": now,
        "site": F("resource__account__site"),
        "due_at": run,
    }


def was_late(turn: Turn, run: datetime, now: datetime) -> str:
    """What the backup of a run that begins late says of it; "" when it is in time."""
    due = f"{run.astimezone(ZoneInfo(turn.plan.time_zone)):%H:%M} {turn.plan.time_zone}"
    return f"Late: was due at {due}." if now - run > _GRACE else ""


def name_of(run: datetime, time_zone: str) -> str:
    """Name of the backup of a run: ``Scheduled 17 Nov 2026``, by its local day."""
    local = run.astimezone(ZoneInfo(time_zone))
    return f"Scheduled {local.day} {local:%b %Y}"


# Missed


def mark_missed(turn: Turn, missed: datetime, resources: QuerySet[Resource]) -> None:
    """Leave an entry for the last run missed, and tell each account once (Q8)."""
    name, error = name_of(missed, turn.plan.time_zone), _why_missed(turn, missed)
    entry = {
        "id": uuid_from(as_text("pk"), Value(missed.isoformat())),
        "resource": F("pk"),
        "account": F("account"),
        "kind": F("kind"),
        "name": name,
        "type": Backup.Type.SCHEDULED,
        "status": Backup.Status.MISSED,
        "created_at": missed,
        "due_at": missed,
        "error": error,
    }
    lock_in_order(resources)
    insert_from(Backup, resources, entry)
    note_latest(resources)
    names: dict[uuid.UUID, list[str]] = defaultdict(list)
    for account, system in resources.order_by("name").values_list("account", "name"):
        names[account].append(system)
    for found in Account.objects.filter(pk__in=names):
        _tell_missed(found, names[found.pk], error)


def _why_missed(turn: Turn, missed: datetime) -> str:
    plan = turn.plan
    why = "the system was busy" if plan.is_busy else "no worker was running"
    local = missed.astimezone(ZoneInfo(plan.time_zone))
    said = f"Due at {local:%H:%M} {plan.time_zone}; {why} for 6 hours."
    if plan.next_run_at != missed:
        first = name_of(plan.next_run_at, plan.time_zone).removeprefix("Scheduled ")
        said += f" The runs since {first} were missed too."
    return said


def _tell_missed(account: Account, names: list[str], error: str) -> None:
    many = len(names) > 1
    title = f"Scheduled backup{'s' if many else ''} of {names[0]} missed"
    if many:
        title = f"Scheduled backups of {len(names)} systems missed"
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    body = (
        f"{', '.join(names[:NAMES])}{more}. {error} The next runs are made as scheduled. "
        "Create a backup now if one is needed before."
    )
    tell(account, Notification.Level.WARNING, title, body, kind=Notification.Kind.SCHEDULE)
