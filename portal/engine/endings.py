"""What is written when a task ends: the workflow's own hook, its followers, the audit entry."""

from __future__ import annotations

from uuid import UUID

from portal.engine import clock
from portal.engine.workflow import Workflow, registry
from portal.models import Task


def write_ending(task: Task, workflow: Workflow) -> None:
    """Run the hooks of an ended task, in the transaction that writes its end."""
    if task.state == Task.State.DONE:
        workflow.done(task)
    else:
        workflow.failed(task)


def follow_ending(task: Task) -> None:
    """Call what follows an ended task, once its row says so, in the same transaction."""
    for follow in registry.following(task.kind, is_done=task.state == Task.State.DONE):
        follow(task)
    if task.parent_id:
        _wake_parent(task.parent_id)


def _wake_parent(parent: UUID) -> None:
    """Let a parent go on at once when its last child has ended.

    Two children that end together may each see the other at work: the parent looks by itself
    from time to time.
    """
    if not Task.objects.active().filter(parent=parent).exists():
        waiting = Task.objects.filter(pk=parent, lease_until=None, state__in=Task.STARTED)
        waiting.filter(next_wake_at__gt=clock.now()).update(next_wake_at=clock.now())
