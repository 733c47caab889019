"""What is written when a task ends: the workflow's own hook, its followers, the audit entry."""

from __future__ import annotations

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
