"""Ending tasks where they stand, when nobody knows what became of them.

For a database that was put back from an older copy: what was under way then has long ended, or
was cut off. Carried on, a restore would undo a day's work, and a deletion that was cancelled
since would be carried out.
"""

from __future__ import annotations

from django.db import transaction

from portal.engine import clock
from portal.engine.endings import write_ending
from portal.engine.workflow import registry
from portal.models import Task

# In a task's memory.
INTERRUPTED = "was_interrupted"


@transaction.atomic
def interrupt_all(error: str, advice: str) -> int:
    """Fail every active task; return how many. Nothing is asked of a cloud, nothing follows.

    No worker may be running. Hooks of the workflows write what is known; no follower is called,
    as one of them would start the next deletion. Children end before the task that started them,
    which says how they went.
    """
    now = clock.now()
    # A parent of parents does not exist.
    active = list(Task.objects.select_for_update().active().order_by("created_at"))
    for task in sorted(active, key=lambda each: each.parent_id is None):
        task.state, task.operation = Task.State.FAILED, ""
        task.error, task.advice, task.error_detail = error, advice, ""
        task.memory = {**task.memory, INTERRUPTED: True}
        task.lease_owner, task.lease_until = "", None
        task.started_at, task.ended_at = task.started_at or now, now
        task.save()
        write_ending(task, registry.workflows[task.kind])
    return len(active)


def was_interrupted(task: Task) -> bool:
    """Whether a task was ended so: what it says of the cloud is then not known."""
    return bool(task.memory.get(INTERRUPTED))
