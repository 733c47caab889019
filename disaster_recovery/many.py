"""Replication of many volumes: one task that starts a replication for each, and waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from django.db import transaction
from django.db.models import F

from backups.models import Backup
from disaster_recovery.services import replicate_backup
from portal import engine
from portal.audit import Actor, record
from portal.bulk import among
from portal.engine.workflow import Again, Learned, Step, Workflow, nothing
from portal.models import Account, Resource, Task
from portal.notify import Kind, Level, tell
from portal.refusals import Refused
from volumes.selection import Selection
from volumes.services import skipped_of
from volumes.workflows import look_at_children, stop_children

KIND = "replicate_volumes"
# Replications started in one transaction: more would hold up the others the same runner moves.
PORTION = 50


@transaction.atomic
def replicate_selection(actor: Actor, account: Account, selection: Selection) -> Task:
    """Start replicating the latest good backup of every volume that is meant, under one task.

    Raises Refused when there is none, or disaster recovery is off; then nothing has changed.
    """
    count = selection.rows(account).count()
    if not count:
        raise Refused("No volume is chosen, or none matches any more.")
    if not account.dr_enabled:
        raise Refused(f"Disaster recovery is off for {account}.")
    task = engine.start(
        KIND,
        title=f"Replicate {count:,} volume{'s' if count != 1 else ''}",
        account=account,
        requested_by=actor.user,
        args={"selection": selection.as_json(), "count": count},
    )
    record(
        actor, "volumes.replicate", account, result="requested", volumes=count, task=str(task.pk)
    )
    return task


def _account(task: Task) -> Account:
    if task.account is None:
        raise ValueError(f"task {task.pk} of volumes has no account")
    return task.account


def _start_portion(task: Task, learned: Learned) -> Learned | Again:
    """Start the next of them; whose backup has its replication by now is not begun again."""
    memory = task.memory
    rows = Selection.from_json(task.args["selection"]).rows(_account(task)).order_by("pk")
    if after := memory.get("after"):
        rows = rows.filter(pk__gt=UUID(after))
    ids = list(rows.values_list("pk", flat=True)[:PORTION])
    if not ids:
        return {}
    good = _latest_good(ids)
    started = sum(_begin(task, backup) for backup in good)
    sums = {
        "started": memory.get("started", 0) + started,
        "bare": memory.get("bare", 0) + len(ids) - len(good),
        "not_now": memory.get("not_now", 0) + len(good) - started,
    }
    percent = min(99, 100 * sum(sums.values()) // max(1, task.args["count"]))
    return Again({**sums, "after": str(ids[-1])}, percent=percent)


def _latest_good(ids: Sequence[UUID]) -> list[Backup]:
    """The latest good backup of each of these volumes that has one."""
    volumes = Resource.objects.filter(pk__in=among(ids))
    backups = Backup.objects.filter(pk__in=volumes.values("last_good_id"))
    related = backups.select_related("resource__cloud_account", "account__dr_cloud_account")
    return list(related.order_by("created_at", "pk"))


def _begin(parent: Task, backup: Backup) -> bool:
    """Whether its replication begins; not where one is under way, or the backup just goes."""
    actor = Actor(parent.requested_by, parent.requester)
    try:
        replicate_backup(actor, backup, parent=parent)
    except Refused:
        return False
    return True


@engine.register
class ReplicateVolumes(Workflow):
    """Start a replication for each, wait for all; one that fails never stops the others."""

    kind = KIND
    steps: ClassVar[tuple[Step, ...]] = (
        Step("start", "Start the replications", nothing, save=_start_portion, is_local=True),
        Step(
            "await", "Wait for the replications", nothing, save=look_at_children, weight=20,
            is_local=True,
        ),
    )  # fmt: skip
    cleanup: ClassVar[tuple[Step, ...]] = (
        Step("stop", "Stop the replications under way", nothing, save=stop_children, is_local=True),
    )
    # Bytes travel for hours, each replication with a deadline of its own.
    deadline = timedelta(days=14)

    def done(self, task: Task) -> None:
        done, failed, skipped = task.memory["done"], task.memory["failed"], skipped_of(task)
        title = f"{task}: {done:,} done"
        title += f", {failed:,} failed" if failed else ""
        title += f", {skipped:,} skipped" if skipped else ""
        level = Level.WARNING if failed or skipped else Level.INFO
        if failed and not done:
            level = Level.ERROR
        body = "Open the task to see them all, and retry those that failed." if failed else ""
        tell(_account(task), level, title, body, kind=Kind.REPLICATION, task=task)

    def failed(self, task: Task) -> None:
        level, what = Level.ERROR, "failed"
        if task.state == Task.State.CANCELED:
            level, what = Level.INFO, "cancelled"
        body = f"{task.error} {task.advice}"
        tell(_account(task), level, f"{task} {what}", body, kind=Kind.REPLICATION, task=task)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        """Again those that failed and of which there is no newer replica."""
        failed = task.children.filter(state=Task.State.FAILED)
        unmended = failed.filter(resource__last_replica_at__lte=F("created_at"))
        ids = tuple(unmended.values_list("resource", flat=True))
        if not ids:
            raise Refused("Each that failed has had a replica since.")
        return replicate_selection(actor, _account(task), Selection(ids))
