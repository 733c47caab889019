"""The daily task that takes away what is too old, of all accounts at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from django.db import transaction

from portal import engine
from portal.engine import clock
from portal.engine.ticks import every_minute
from portal.engine.workflow import Again, Learned, Save, Step, Workflow, nothing
from portal.models import Task
from reporting.models import DataAvailability, DataType
from reporting.purge.portions import Progress, purge_portion, sign_ins_portion
from reporting.termination.forgetting import remove_tombstones

PURGE = "purge_records"


def _in_portions(name: str, portion: Callable[[Progress, Task], Progress]) -> Save:
    """A batch each time; what it removed and how far it came are committed together."""

    def save(task: Task, learned: Learned) -> Learned | Again:
        progress = portion(Progress(**task.memory.get(name, {})), task)
        memory = {name: replace(progress, pause=0).as_json()}
        if progress.is_over:
            return memory
        # Counted from when the portion began: as long again is free after it.
        return Again(memory, 2 * progress.pause, message=f"{progress.removed:,} rows removed")

    return save


def _of_type(data_type: DataType) -> Step:
    def portion(progress: Progress, task: Task) -> Progress:
        return purge_portion(data_type, progress, task.created_at)

    save = _in_portions(data_type, portion)
    return Step(
        data_type, f"Purge {data_type.label}", nothing, save=save, is_local=True, is_all_saved=True
    )


def _remove_tombstones(task: Task, learned: Learned) -> Learned | Again:
    """Terminated accounts of which nothing is kept any more."""
    removed = remove_tombstones()
    total = int(task.memory.get("tombstones", 0)) + removed
    return Again({"tombstones": total}) if removed else {"tombstones": total}


def _sign_ins(progress: Progress, task: Task) -> Progress:
    return sign_ins_portion(progress, task.created_at)


@engine.register
class PurgeRecords(Workflow):
    """What is too old is gone by the day after. Cancelled or failed, the next day's does it."""

    kind = PURGE
    steps: ClassVar = (
        *(_of_type(each) for each in DataType),
        Step(
            "accounts", "Remove terminated accounts without records", nothing,
            save=_remove_tombstones, is_local=True, is_all_saved=True,
        ),
        Step(
            "sign_ins", "Purge sign-ins that have run out", nothing,
            save=_in_portions("sign_ins", _sign_ins), is_local=True, is_all_saved=True,
        ),
    )  # fmt: skip
    deadline = timedelta(hours=20)


@every_minute
def purge_daily() -> None:
    """Start it once on each day of UTC."""
    today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    begun = Task.objects.filter(kind=PURGE, created_at__gte=today)
    if begun.exists():
        return
    with transaction.atomic():
        # Another worker's tick waits here, and then sees that it is begun.
        list(DataAvailability.objects.select_for_update().order_by("pk"))
        if not begun.exists():
            engine.start(PURGE, title="Purge records", subject="What is past its period")
