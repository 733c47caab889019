"""Switching disaster recovery off: replicas are kept, unless somebody chose otherwise (R164)."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from backups.models import Replica
from backups.replicas import REMOVE_REPLICAS, REMOVE_SENT, removals_of
from backups.services import label_of
from disaster_recovery.services import KIND as REPLICATE
from portal import engine
from portal.audit import Actor, record
from portal.engine import clock
from portal.engine.workflow import Again, Learned, Step, Workflow, nothing
from portal.models import Account, Task
from portal.notify import Kind, Level, tell
from portal.refusals import Refused

REMOVE_ALL, REMOVE_ONE = "remove_replicas", "remove_replica"
PORTION = 200
LOOK_SECONDS = 15


def replicas_left(account: Account) -> QuerySet[Replica]:
    """Those of which something is at a secondary site."""
    return Replica.objects.filter(account=account).not_removed()


@transaction.atomic
def disable(actor: Actor, account: Account, *, delete_replicas: bool) -> Task | None:
    """Switch disaster recovery off at once; replications under way stop and clean up.

    With ``delete_replicas``, the task that removes them is answered. Backups stay either way.
    """
    account = Account.objects.select_for_update().get(pk=account.pk)
    if not account.dr_enabled:
        raise Refused(f"Disaster recovery is off for {account} already.")
    Account.objects.filter(pk=account.pk).update(dr_enabled=False)
    engine.stop_all(Task.objects.active().filter(account=account, kind=REPLICATE), clock.now())
    task = None
    if delete_replicas:
        task = engine.start(
            REMOVE_ALL,
            title="Remove replicas",
            subject=account.name,
            account=account,
            requested_by=actor.user,
            args={"before": clock.now().isoformat()},
        )
    record(
        actor, "recovery.disable", account, replicas="deleted" if delete_replicas else "kept",
        task=str(task.pk) if task else "",
    )  # fmt: skip
    return task


def _account(task: Task) -> Account:
    if task.account is None:
        raise ValueError(f"task {task.pk} of replicas has no account")
    return task.account


def _start_portion(task: Task, learned: Learned) -> Learned | Again:
    """Start the removal of the next; a replication that is still stopping is waited for."""
    rows = replicas_left(_account(task)).select_related(
        "cloud_account", "backup__resource__cloud_account"
    )
    if rows.filter(status=Replica.Status.IN_PROGRESS).exists():
        return Again({}, LOOK_SECONDS, message="Waiting for replications to stop")
    if after := task.memory.get("after"):
        rows = rows.filter(pk__gt=UUID(after))
    portion = list(rows.order_by("pk")[:PORTION])
    for replica in portion:
        _start_one(task, replica)
    if not portion:
        return {}
    started = task.memory.get("started", 0) + len(portion)
    return Again({"after": str(portion[-1].pk), "started": started})


def _start_one(parent: Task, replica: Replica) -> None:
    backup = replica.backup
    resource = backup.resource
    engine.start(
        REMOVE_ONE,
        title=f"Remove replica of {label_of(resource)}",
        subject=backup.name,
        account=replica.account,
        cloud_account=resource.cloud_account,
        other_cloud_account=replica.cloud_account,
        resource=resource,
        transfer=True,
        requested_by=parent.requested_by,
        parent=parent,
        args={
            "account": str(replica.account_id),
            "resource": str(resource.pk),
            "backup": str(backup.pk),
            "type": backup.type,
            "copy": backup.external_id,
            "replicas": removals_of([replica]),
        },
    )


def _await_children(task: Task, learned: Learned) -> Learned | Again:
    children = task.children.all()
    left = children.filter(state__in=Task.ACTIVE).count()
    if left:
        total = task.memory.get("started", left)
        percent = 100 * (total - left) // total
        return Again({}, LOOK_SECONDS, percent=percent, message=f"{left} left of {total}")
    return {"failed": children.exclude(state=Task.State.DONE).count()}


def _stop_children(task: Task, learned: Learned) -> Learned | Again:
    engine.stop_all(task.children.all(), clock.now())
    if task.children.filter(state__in=Task.ACTIVE).exists():
        return Again({}, LOOK_SECONDS, message="Waiting for removals to stop")
    return {}


@engine.register
class RemoveReplicas(Workflow):
    """Remove every replica of an account, each by a task of its own."""

    kind = REMOVE_ALL
    steps: ClassVar[tuple[Step, ...]] = (
        Step("start", "Start the removals", nothing, save=_start_portion, is_local=True),
        Step(
            "await", "Wait for the removals", nothing, save=_await_children, weight=20,
            is_local=True,
        ),
    )  # fmt: skip
    cleanup: ClassVar[tuple[Step, ...]] = (
        Step("stop", "Stop the removals under way", nothing, save=_stop_children, is_local=True),
    )
    deadline = timedelta(days=7)

    def done(self, task: Task) -> None:
        failed = task.memory["failed"]
        number = task.memory.get("started", 0) - failed
        level = Level.WARNING if failed else Level.INFO
        body = f"{failed:,} could not be removed; open the task to see why." if failed else ""
        title = f"{number:,} replicas removed"
        tell(_account(task), level, title, body, kind=Kind.RECOVERY, task=task)

    def failed(self, task: Task) -> None:
        if task.state == Task.State.FAILED:
            title = "Replicas were not removed"
            tell(_account(task), Level.ERROR, title, task.error, kind=Kind.RECOVERY, task=task)


@engine.register
class RemoveReplica(Workflow):
    """Remove one replica and what was made to send it; the backup stays."""

    kind = REMOVE_ONE
    steps: ClassVar[tuple[Step, ...]] = (REMOVE_REPLICAS, REMOVE_SENT)
    deadline = timedelta(hours=6)
