"""Removing what an account has at the clouds, by the same deletions that people start."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from backups.models import Backup, Replica
from backups.services import delete_backup
from portal.audit import SYSTEM
from portal.clouds.api import CloudRefused
from portal.engine import clock
from portal.engine.workflow import Again, Job, Learned
from portal.models import Account, Task
from portal.refusals import Refused

PORTION = 200
LOOK_SECONDS = 5
# So many are named where some could not be deleted.
NAMED = 20


def replicas_left(account: Account) -> QuerySet[Replica]:
    """Those of which something is, or may be, at a secondary site."""
    return Replica.objects.filter(account=account).not_removed()


def backups_left(account: Account) -> QuerySet[Backup]:
    """Those of which something is, or may be, at a cloud."""
    there = Replica.objects.filter(backup=OuterRef("pk")).not_removed()
    deletable = (Backup.Status.READY, Backup.Status.FAILED)
    something = Q(status=Backup.Status.READY) | ~Q(external_id="") | Q(Exists(there))
    return Backup.objects.filter(something, account=account, status__in=deletable)


def account_of(task: Task) -> Account:
    """The account that is terminated; such a task always has one."""
    if task.account is None:
        raise ValueError(f"task {task.pk} of a termination has no account")
    return task.account


def delete_portion(task: Task, learned: Learned) -> Learned | Again:
    """Start the deletion of one backup of each resource that has none under way."""
    account = account_of(task)
    # What was unmarked or tried since then has been seen to; what failed is named later.
    since = datetime.fromisoformat(task.memory["quiet_at"])
    refused: dict[str, str] = dict(task.memory.get("refused", {}))
    left = backups_left(account).filter(status_changed_at__lte=since)
    left = left.exclude(pk__in=[UUID(each) for each in refused])
    busy = Task.objects.active().filter(resource=OuterRef("resource"), is_exclusive=True)
    begun: set[UUID] = set()
    free = left.exclude(Exists(busy)).select_related("resource__account", "resource__cloud_account")
    for backup in free.order_by("created_at")[:PORTION]:
        if backup.resource_id not in begun:
            begun.add(backup.resource_id)
            if reason := _begin(task, backup):
                refused[str(backup.pk)] = reason
    if begun or left.exists():
        seconds = 0 if begun else LOOK_SECONDS
        return Again({"refused": refused}, seconds, message=f"{left.count():,} backups are left")
    if task.children.filter(state__in=Task.ACTIVE).exists():
        return Again({"refused": refused}, LOOK_SECONDS, message="The last are being deleted")
    return {"refused": refused, "failed": _failures(task, refused)}


def _begin(task: Task, backup: Backup) -> str:
    """Start one; return why it cannot be."""
    if backup.is_master_image:
        Backup.objects.filter(pk=backup.pk).update(original=None)
        backup.original_id = None
    try:
        delete_backup(SYSTEM, backup, parent=task)
    except Refused as refusal:
        return str(refusal)
    return ""


def _failures(task: Task, refused: dict[str, str]) -> list[str]:
    """What is left, each with the reason."""
    failed = task.children.filter(state__in=(Task.State.FAILED, Task.State.CANCELED))
    reasons = {each.args["backup"]: each.error for each in failed.order_by("created_at")}
    reasons |= refused
    left = backups_left(account_of(task)).select_related("resource").order_by("created_at")
    return [
        f"“{each}” of {each.resource}: {reasons.get(str(each.pk)) or 'it is still there.'}"
        for each in left[:NAMED]
    ]


def require_all_gone(job: Job) -> Learned:
    """The records of what is left at a cloud are kept: nothing else would know of it."""
    if failed := job.memory.get("failed"):
        raise CloudRefused(
            f"{len(failed)}{' or more' if len(failed) == NAMED else ''} backups could not be "
            f"deleted. {' '.join(failed)}",
            advice="Mend what is named, then terminate the account again: it goes on from there.",
        )
    return {}


def await_quiet(task: Task, learned: Learned) -> Learned | Again:
    """Wait until everything under way has stopped and cleaned up after itself."""
    others = Task.objects.active().filter(account=account_of(task)).exclude(pk=task.pk)
    if other := others.first():
        return Again({}, LOOK_SECONDS, message=f"Waiting for “{other}” to end")
    return {"quiet_at": clock.now().isoformat()}
