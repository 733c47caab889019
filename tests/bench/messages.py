"""A step of a task as one django-q2 message, as many do it; what the engine is compared with.

Run by a cluster of django-q2 with the default settings, a process of its own.
"""

from __future__ import annotations

from uuid import UUID

from django_q.tasks import async_task

from portal.models import Task


def step(pk: UUID, left: int) -> None:
    """Note the step on the task and send the message of the next."""
    Task.objects.filter(pk=pk).update(step=f"step{left}", percent=100 - left)
    if left:
        async_task("tests.bench.messages.step", pk, left - 1)
