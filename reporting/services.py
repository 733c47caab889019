"""What a person can do with tasks and notifications. Dismissing is personal, so not audited."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from portal import engine
from portal.access import Permission
from portal.audit import Actor, record
from portal.engine.workflow import Workflow
from portal.models import Account, Dismissal, Notification, Task, User
from portal.refusals import Refused
from reporting.standing import starts_others
from reporting.words import RIGHT_TO_START

NOT_CANCELABLE = "This task has ended, or can no longer be stopped."
NOT_RETRIABLE = "Only a failed task can be retried, and not of every kind."
_BATCH = 1000


def workflow_of(task: Task) -> Workflow | None:
    """Return the task's workflow; None for a kind this release no longer has."""
    return engine.registry.workflows.get(task.kind)


def permission_for(task: Task) -> Permission:
    """What it takes to start such a task, and so to stop or retry it."""
    return RIGHT_TO_START.get(task.kind, Permission.MANAGE_TASKS)


def may_cancel(task: Task) -> bool:
    """Whether `cancel_task` would be accepted."""
    workflow = workflow_of(task)
    return (
        workflow is not None
        and task.state in {Task.State.QUEUED, Task.State.RUNNING}
        and task.cancel_requested_at is None
        and workflow.may_cancel(task)
    )


def may_retry(task: Task) -> bool:
    """Whether the task has failed, or some that it started, and its kind can be started again."""
    workflow = workflow_of(task)
    if workflow is None or type(workflow).retry is Workflow.retry:
        return False
    if starts_others(task):
        return not task.is_active and task.children.filter(state=Task.State.FAILED).exists()
    return task.state == Task.State.FAILED


def cancel_task(actor: Actor, task: Task) -> None:
    """Ask a task to stop and clean up. Raises Refused when it has ended or is past stopping."""
    if workflow_of(task) is None:
        raise Refused("This release no longer has this kind of task.")
    with transaction.atomic():
        engine.cancel(task)
        record(actor, "task.cancel", task, result="requested", task=str(task.pk))


def retry_task(actor: Actor, task: Task) -> Task:
    """Start the same thing again; return the new task. Raises Refused, Busy among them."""
    workflow = workflow_of(task)
    if workflow is None or not may_retry(task):
        raise Refused(NOT_RETRIABLE)
    with transaction.atomic():
        again = workflow.retry(task, actor)
        if again is None:
            raise Refused("Retrying cannot help here. Start it anew from its page.")
        record(actor, "task.retry", task, result="requested", task=str(again.pk))
    return again


def acknowledge_task(actor: Actor, task: Task) -> None:
    """Take an ended task off the widget (R161). Raises Refused while it is under way."""
    with transaction.atomic():
        engine.acknowledge(task)
        record(actor, "task.acknowledge", task, task=str(task.pk))


def acknowledge_all(actor: Actor, account: Account) -> int:
    """Take every ended task of the account off the widget; return how many."""
    with transaction.atomic():
        ended = Task.objects.filter(account=account).in_widget().exclude(state__in=Task.ACTIVE)
        count = ended.update(acknowledged_at=timezone.now())
        if count:
            record(actor, "task.acknowledge_all", account, count=count)
    return count


def dismiss_notification(user: User, notification: Notification) -> None:
    """Hide it for this person alone (R162). Doing it again changes nothing."""
    Dismissal.objects.get_or_create(notification=notification, user=user)


def dismiss_all(user: User, account: Account, *, until: datetime | None = None) -> int:
    """Hide all of the account's notifications up to ``until`` for this person; return how many.

    Those that arrived after the page was drawn stay: nobody has seen them.
    """
    unread = Notification.objects.unread_by(user, account)
    unread = unread.filter(created_at__lte=until or timezone.now())
    ids = list(unread.values_list("pk", flat=True))
    Dismissal.objects.bulk_create(
        [Dismissal(notification_id=pk, user=user) for pk in ids],
        ignore_conflicts=True,
        batch_size=_BATCH,
    )
    return len(ids)
