"""The course of a task as its page shows it: steps begun, steps still planned, why it waits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from portal.engine.workflow import Step
from portal.models import Task
from portal.templatetags.ui import Look, duration
from reporting.services import workflow_of

State = Task.State

_LOOKS = {
    "running": Look("run", "spin"),
    "done": Look("ok", "okcircle"),
    "failed": Look("bad", "xcircle"),
    "timed out": Look("warn", "clock"),
    "canceled": Look("idle", "minus"),
}
_NOT_RUN = Look("idle", "dash")
_WORDS = {"failed": "failed", "timed out": "time was up", "canceled": "canceled"}


@dataclass(frozen=True)
class Line:
    """One step. ``note``: how long it took, or why it did not run."""

    label: str
    look: Look
    note: str
    detail: str = ""
    operation: str = ""
    failures: int = 0
    is_cleanup: bool = False


def lines_of(task: Task) -> list[Line]:
    """Return the steps that were begun or passed over, then those that were planned."""
    lines = [_begun(record) for record in task.steps]
    seen = {record["name"] for record in task.steps}
    lines += [
        Line(step.label, _NOT_RUN, "Not run yet" if task.is_active else "Not run", is_cleanup=late)
        for late, step in _planned(task)
        if step.name not in seen
    ]
    return sorted(lines, key=lambda line: line.is_cleanup)


def _begun(record: dict[str, Any]) -> Line:
    state = record["state"]
    return Line(
        label=record["label"],
        look=_LOOKS.get(state, _NOT_RUN),
        note="Not needed" if state == "skipped" else _took(record),
        detail=record.get("detail", ""),
        operation=record.get("operation", "").partition(" ")[0],
        failures=record.get("failures", 0),
        is_cleanup=record.get("cleanup", False),
    )


def _took(record: dict[str, Any]) -> str:
    begin = datetime.fromisoformat(record["started_at"])
    end = record.get("ended_at")
    span = (datetime.fromisoformat(end) if end else timezone.now()) - begin
    return ", ".join(filter(None, [duration(span), _WORDS.get(record["state"], "")]))


def _planned(task: Task) -> Iterable[tuple[bool, Step]]:
    """Steps of the plan, each with whether it cleans up; none is still to come of a done task."""
    workflow = workflow_of(task)
    if workflow is None or task.state == State.DONE:
        return
    for step in workflow.steps:
        yield False, step
    if task.state in {State.FAILING, State.CANCELING}:
        for step in workflow.cleanup:
            yield True, step


@dataclass(frozen=True)
class Queue:
    """Why a queued task waits: its cloud account's limit, and what is before it.

    ``beside`` were requested in the same moment, as those of one backup of many are.
    """

    limit: int
    under_way: int
    ahead: int
    beside: int

    @property
    def is_full(self) -> bool:
        return self.under_way >= self.limit


def queue_of(task: Task) -> Queue | None:
    """Return where a queued task stands; None when it does not wait for a place.

    ``ahead`` counts the account's own: accounts take turns at a cloud account.
    """
    if task.state != State.QUEUED or task.cloud_account is None:
        return None
    there = Task.objects.filter(cloud_account=task.cloud_account)
    own = there.filter(account=task.account, state=State.QUEUED, created_at__lte=task.created_at)
    is_before = Q(created_at__lt=task.created_at)
    number = own.aggregate(all=Count("*"), ahead=Count("created_at", filter=is_before))
    return Queue(
        limit=task.cloud_account.max_tasks,
        under_way=there.filter(state__in=Task.STARTED).count(),
        ahead=number["ahead"],
        beside=max(0, number["all"] - number["ahead"] - 1),
    )
