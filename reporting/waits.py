"""What a returning user is told while something of theirs is being backed up (R166)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from statistics import median

from django.db import IntegrityError, transaction

from portal.engine import clock
from portal.models import Account, Resource, Task
from reporting.models import Wait

# Without any that has ended, this long is expected.
EXPECTED_SECONDS = 120
SAMPLE = 20


@dataclass(frozen=True)
class Answer:
    """Whether what a user has can be attached now; if not, why, since when and for how long."""

    is_free: bool
    reason: str = ""
    since: datetime | None = None
    expected_seconds: int = 0


def ask(account: Account, user_name: str) -> Answer:
    """Say whether the user's desktop and volumes are free; a wait is recorded from now on."""
    mine = Resource.objects.filter(account=account, user_name=user_name)
    held = Task.objects.active().filter(resource__in=mine, is_exclusive=True)
    task = held.select_related("resource").order_by("created_at").last()
    if task is None:
        _end(account, user_name)
        return Answer(is_free=True)
    _begin(account, user_name, task)
    left = usual_seconds(task) - (clock.now() - task.created_at).total_seconds()
    return Answer(
        is_free=False,
        reason=f"{task.resource} is busy: {_doing(task)}.",
        since=task.created_at,
        expected_seconds=max(5, round(left)),
    )


def _doing(task: Task) -> str:
    if task.args.get("type") == "D":
        return "it is being backed up after the last session"
    return f"“{task}” is under way"


def usual_seconds(task: Task) -> float:
    """How long the latest such tasks of the resource took, from request to end."""
    ended = Task.objects.filter(resource=task.resource_id, kind=task.kind, state=Task.State.DONE)
    latest = ended.order_by("-created_at").values_list("created_at", "ended_at")[:SAMPLE]
    took = [(end - begun).total_seconds() for begun, end in latest if end]
    return median(took) if took else EXPECTED_SECONDS


def _begin(account: Account, user_name: str, task: Task) -> None:
    open_ = Wait.objects.filter(account=account, user_name=user_name, free_at=None)
    if open_.update(task=task):
        return
    try:
        with transaction.atomic():
            Wait.objects.create(
                account=account, user_name=user_name, task=task, asked_at=clock.now()
            )
    except IntegrityError:
        pass  # the same question came twice at once


def _end(account: Account, user_name: str) -> None:
    waiting = Wait.objects.filter(account=account, user_name=user_name, free_at=None)
    waiting.update(free_at=clock.now())


def end_after(task: Task) -> None:
    """Follow a backup, however it ended: who waited for it waits no more."""
    Wait.objects.filter(task=task, free_at=None).update(free_at=clock.now())
