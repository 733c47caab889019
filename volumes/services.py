"""What a person can do with many volumes at once: back them up, and again those that failed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F

from backups.models import Backup
from portal import engine
from portal.audit import Actor, record
from portal.engine import clock
from portal.models import Account, Task
from portal.refusals import Refused
from volumes.selection import Selection

KIND = "backup_volumes"
# Why a volume may be left out, as a task of many remembers it with how many.
LEFT_OUT = ("busy", "missing", "full", "in_use", "bare", "not_now")


@transaction.atomic
def backup_selection(actor: Actor, account: Account, selection: Selection, *, name: str) -> Task:
    """Start a backup of every volume that is meant, under one task that says how they went.

    Raises Refused when there is none; then nothing has changed.
    """
    count = selection.rows(account).count()
    if not count:
        raise Refused("No volume is chosen, or none matches any more.")
    task = start_parent(
        account,
        selection,
        title=f"Backup {count:,} volume{'s' if count != 1 else ''}",
        name=name,
        type_=Backup.Type.MANUAL,
        actor=actor,
        count=count,
    )
    record(
        actor, "volumes.backup", account, result="requested", name=name, volumes=count,
        task=str(task.pk),
    )  # fmt: skip
    return task


def start_parent(
    account: Account,
    selection: Selection,
    *,
    title: str,
    name: str,
    type_: str,
    actor: Actor,
    count: int,
    origin: str | None = None,
    **more: Any,
) -> Task:
    """Start the task that starts the others; ``more`` joins its arguments."""
    return engine.start(
        KIND,
        title=title,
        subject=name,
        account=account,
        origin=origin,
        requested_by=actor.user,
        args={
            "selection": selection.as_json(),
            "name": name,
            "type": type_,
            "count": count,
            **more,
        },
    )


@transaction.atomic
def retry_failed(actor: Actor, parent: Task) -> Task:
    """Back up again those that failed under this task and have no good backup since (R088)."""
    failed = parent.children.filter(state=Task.State.FAILED).exclude(resource=None)
    if not failed.exists():
        raise Refused("None of its backups has failed.")
    if parent.is_active:
        raise Refused("It is still under way. Retry when it has ended.")
    unmended = failed.filter(resource__last_good_at__lte=F("created_at"))
    ids = tuple(unmended.values_list("resource", flat=True))
    if not ids:
        raise Refused("Each that failed has had a good backup since.")
    return backup_selection(actor, _account(parent), Selection(ids), name=parent.args["name"])


def _account(parent: Task) -> Account:
    if parent.account is None:
        raise ValueError(f"task {parent.pk} of volumes has no account")
    return parent.account


@dataclass(frozen=True)
class Tally:
    """How the backups under a task stand. ``total`` is how many there will be, as far as known."""

    total: int
    waiting: int
    running: int
    done: int
    failed: int
    canceled: int

    @property
    def ended(self) -> int:
        return self.done + self.failed + self.canceled

    @property
    def percent(self) -> int:
        return min(100, 100 * self.ended // self.total) if self.total else 0


def tally_of(parent: Task) -> Tally:
    """Count the children by state, by one query that an index answers."""
    return tallies_of([parent])[parent.pk]


def tallies_of(parents: Collection[Task]) -> dict[UUID, Tally]:
    """The same of several, by one query for all; one that is done has kept its numbers."""
    counted = {parent.pk for parent in parents if not _has_kept(parent)}
    by: dict[UUID, dict[str, int]] = {pk: {} for pk in counted}
    if counted:
        children = Task.objects.filter(parent__in=counted).order_by()
        # All rows, not their keys: the index holds no key.
        for pk, state, number in children.values_list("parent", "state").annotate(n=Count("*")):
            by[pk][state] = number
    return {each.pk: _tally(each, by.get(each.pk) or _kept(each)) for each in parents}


def _has_kept(parent: Task) -> bool:
    return not parent.is_active and "done" in parent.memory


def _kept(parent: Task) -> dict[str, int]:
    """How many ended in which way, as the parent remembers it."""
    ends = (Task.State.DONE, Task.State.FAILED, Task.State.CANCELED)
    return {state: parent.memory.get(state, 0) for state in ends}


def _tally(parent: Task, by: Mapping[str, int]) -> Tally:
    state = Task.State
    started = sum(by.values())
    expected = parent.args["count"] - skipped_of(parent)
    return Tally(
        total=max(started, expected) if parent.is_active else started,
        waiting=by.get(state.QUEUED, 0),
        running=sum(by.get(each, 0) for each in Task.STARTED),
        done=by.get(state.DONE, 0),
        failed=by.get(state.FAILED, 0),
        canceled=by.get(state.CANCELED, 0),
    )


def skipped_of(parent: Task) -> int:
    """How many were left out, for whatever reason."""
    return sum(parent.memory.get(reason, 0) for reason in LEFT_OUT)


def time_left(parent: Task, tally: Tally) -> timedelta | None:
    """How long it should still take at the pace so far; None until there is a pace.

    What fails at once tells nothing of how long the others take.
    """
    if not tally.done or not parent.started_at or tally.total <= tally.ended:
        return None
    return (clock.now() - parent.started_at) * (tally.total - tally.ended) / tally.ended
