"""What the clock starts for volumes: one task for all of a kind, at the kind's time (R071)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfoNotFoundError

import structlog
from django.db import DatabaseError, connection, transaction

from backups.models import Backup, VolumePolicy
from backups.scheduler import Plan, Turn, mark_missed, name_of, turn_of, was_late
from portal.audit import SYSTEM
from portal.engine import clock
from portal.engine.ticks import every_minute
from portal.models import Resource, Task
from portal.outages import is_down
from volumes.selection import Selection
from volumes.services import start_parent

log = structlog.get_logger(__name__)


@every_minute
def run_due() -> None:
    """Start what is due. Safe to call at any time, from any number of processes."""
    start_due(clock.now())


def start_due(now: datetime) -> None:
    """Start the run of every kind that is due by ``now``."""
    for pk in list(VolumePolicy.objects.due(now).values_list("pk", flat=True)):
        try:
            _settle(pk, now)
        except (DatabaseError, ZoneInfoNotFoundError) as error:
            if is_down(error):
                raise  # nobody else gets on either; the next minute tries all of it again
            # It stays due and is tried again; it must not hold the others up.
            log.exception("a due volume policy cannot be settled", policy=str(pk))


@transaction.atomic
def _settle(pk: UUID, now: datetime) -> None:
    """Start, or mark as missed, what one policy has due; of two schedulers one gets it."""
    skip = connection.features.has_select_for_update_skip_locked
    locked = VolumePolicy.objects.select_for_update(skip_locked=skip, of=("self",))
    policy = locked.select_related("account").filter(pk=pk, next_run_at__lte=now).first()
    if policy is None:
        return
    shared = {name: getattr(policy, name) for name in Plan._fields if name != "is_busy"}
    turn = turn_of(Plan(**shared, is_busy=False), now)
    if turn.missed:
        volumes = Selection(kinds=(policy.kind,)).rows(policy.account)
        mark_missed(turn, turn.missed, volumes)
    if turn.run:
        _start(policy, turn, turn.run, now)
    VolumePolicy.objects.filter(pk=pk).update(**turn.moves)


def _start(policy: VolumePolicy, turn: Turn, run: datetime, now: datetime) -> None:
    selection = Selection(kinds=(policy.kind,))
    count = selection.rows(policy.account).count()
    if not count:
        return
    plural = f"{Resource.Kind(policy.kind).label}s"
    start_parent(
        policy.account,
        selection,
        title=f"Backup {plural}",
        name=name_of(run, policy.time_zone),
        type_=Backup.Type.SCHEDULED,
        actor=SYSTEM,
        count=count,
        origin=Task.Origin.SCHEDULE,
        due_at=run.isoformat(),
        description=was_late(turn, run, now),
    )
