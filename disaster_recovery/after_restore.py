"""What has to be done when the portal's own database was put back from an older copy.

Its records are of the past: tasks that have long ended seem to be under way, runs that were made
seem to be due, backups made since are unknown. No worker may run before all of that is settled.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ

from backups.models import BackupPolicy, VolumePolicy
from portal.audit import Actor, record
from portal.engine.interrupting import interrupt_all
from portal.models import Heartbeat

ERROR = "The portal's database was put back from an older copy while this was under way."
ADVICE = "What became of it is not known. Look at the resource before starting it again."


class Settled(NamedTuple):
    """How much of each was settled."""

    tasks: int
    schedules: int
    sessions: int


@transaction.atomic
def settle(actor: Actor) -> Settled:
    """Make records of the past harmless: all of it or nothing. May be repeated.

    Tasks under way are ended, without a call to a cloud. Schedules go on with their next run:
    what was due meanwhile was made by the portal as it was before, or not at all. Everybody signs
    in again, as who had been signed out since would be in.
    """
    tasks = interrupt_all(ERROR, ADVICE)
    schedules = _move_on(timezone.now())
    sessions, _ = Session.objects.all().delete()
    OrmQ.objects.all().delete()
    Heartbeat.objects.all().delete()
    settled = Settled(tasks, schedules, sessions)
    record(actor, "database.put_back", label="The portal's database", **settled._asdict())
    return settled


def _move_on(now: datetime) -> int:
    """Set the next run of what is due to the first after now; return of how many."""
    moved = 0
    for model in (BackupPolicy, VolumePolicy):
        for policy in model.objects.due(now).select_for_update():
            if schedule := policy.schedule:
                rows = model.objects.filter(pk=policy.pk)
                moved += rows.update(next_run_at=schedule.after(now))
    return moved
