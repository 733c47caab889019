"""What people and the clock ask of the engine: start a task, cancel it, take it off the widget."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce

from portal.bulk import insert_from, lock_in_order
from portal.engine import clock
from portal.engine.wake import wake_worker
from portal.engine.workflow import registry
from portal.models import Task
from portal.refusals import Refused

if TYPE_CHECKING:
    from portal.models import Account, CloudAccount, Resource, User


TITLE_LENGTH, SUBJECT_LENGTH = 200, 255


class Busy(Refused):
    """The resource already has an active task; ``task`` is that one."""

    def __init__(self, task: Task | None, name: str) -> None:
        doing = f"“{task}” is under way" if task else "another task is under way"
        super().__init__(f"{name} is busy: {doing}. Try again when it has ended.")
        self.task = task


def start_for_each(kind: str, rows: QuerySet[Any], now: datetime, values: Mapping[str, Any]) -> int:
    """Create a task for each of ``rows`` by one statement, in the caller's transaction.

    Returns how many there are now.

    For the clock, which starts thousands at a time; what people ask for goes through `start`.
    ``values`` gives the columns of the task as `portal.bulk.insert_from` takes them, its id
    among them. Left out is one whose id is taken, and an exclusive one whose resource is busy.
    """
    times = {"created_at": now, "next_wake_at": now}
    times["deadline_at"] = now + registry.workflows[kind].deadline
    made = insert_from(Task, rows, {"kind": kind, **times, **values})
    wake_worker()
    return made


def start(
    kind: str,
    *,
    title: str,
    subject: str = "",
    account: Account | None = None,
    cloud_account: CloudAccount | None = None,
    other_cloud_account: CloudAccount | None = None,
    resource: Resource | None = None,
    exclusive: bool = False,
    maintenance: bool = False,
    transfer: bool = False,
    origin: str | None = None,
    requested_by: User | None = None,
    parent: Task | None = None,
    args: dict[str, Any] | None = None,
) -> Task:
    """Create a Task and wake a worker, in the caller's transaction.

    ``origin`` is who asked: the person given, or Standby itself, unless told otherwise.
    Raises Busy when ``exclusive`` and the resource has an active exclusive task:
    the database decides that, so two requests at once cannot both win.
    """
    workflow = registry.workflows[kind]
    now = clock.now()
    task = Task(
        kind=kind,
        # A name may be longer than a title.
        title=title[:TITLE_LENGTH],
        subject=subject[:SUBJECT_LENGTH],
        account=account,
        cloud_account=cloud_account,
        other_cloud_account=other_cloud_account,
        resource=resource,
        is_exclusive=exclusive,
        is_maintenance=maintenance,
        is_transfer=transfer,
        origin=origin or (Task.Origin.PERSON if requested_by else Task.Origin.SYSTEM),
        requested_by=requested_by,
        parent=parent,
        args=args or {},
        created_at=now,
        next_wake_at=now,
        deadline_at=now + workflow.deadline,
        # The widget shows the parent alone.
        acknowledged_at=now if parent else None,
    )
    try:
        with transaction.atomic():
            task.save(force_insert=True)
            wake_worker()
    except IntegrityError as error:
        if resource is None:
            raise
        raise Busy(resource.active_task(), resource.name) from error
    return task


def cancel(task: Task) -> None:
    """Ask a task to stop and clean up. Raises Refused when it has ended or can no longer stop."""
    if not registry.workflows[task.kind].may_cancel(task):
        raise Refused("This task can no longer be cancelled; it is about to finish.")
    now = clock.now()
    with transaction.atomic():
        asked = stop_all(Task.objects.filter(pk=task.pk), now)
    if not asked:
        raise Refused("This task has already ended, or is already being cancelled.")


def stop_all(tasks: QuerySet[Task], now: datetime) -> int:
    """Ask these to stop and clean up, by one statement; return how many had not been asked.

    What is cancelled waits for no place any more: it has made nothing, or has one.
    """
    stoppable = tasks.filter(state__in=[Task.State.QUEUED, Task.State.RUNNING])
    lock_in_order(stoppable)
    asked = stoppable.filter(cancel_requested_at=None).update(
        cancel_requested_at=now,
        next_wake_at=now,
        state=Task.State.RUNNING,
        started_at=Coalesce("started_at", Value(now)),
    )
    if asked:
        wake_worker()
    return asked


def acknowledge(task: Task) -> None:
    """Take an ended task off the widget; it stays on the Tasks page (R161)."""
    acknowledged = (
        Task.objects.filter(pk=task.pk, acknowledged_at=None)
        .exclude(state__in=Task.ACTIVE)
        .update(acknowledged_at=clock.now())
    )
    if not acknowledged and task.is_active:
        raise Refused("A task that is still under way stays in the widget.")
