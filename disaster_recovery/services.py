"""What a person and the engine can ask of replication: one transaction each."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import IntegrityError, transaction

from backups.models import Backup, Replica, note_replication
from backups.replicas import removals_of
from backups.services import label_of, target_of
from disaster_recovery.models import Discrepancy
from portal import engine
from portal.audit import SYSTEM, Actor, record
from portal.models import Account, Resource, Task
from portal.paging import PreparedCount
from portal.refusals import Refused

KIND = "replicate_backup"


def replication_hindrance(backup: Backup) -> str:
    """Why a backup cannot be replicated now, or "" (R043, R044)."""
    account = backup.account
    if not account.dr_enabled:
        return f"Disaster recovery is off for {account}."
    if not backup.is_ready:
        return f"“{backup}” cannot be replicated: it is {backup.get_status_display().lower()}."
    if backup.replication_status == Replica.Status.IN_PROGRESS:
        return f"“{backup}” is being replicated already."
    return ""


@transaction.atomic
def replicate_backup(
    actor: Actor, backup: Backup, *, origin: str | None = None, parent: Task | None = None
) -> Replica:
    """Start copying a complete backup to the secondary site; raises Refused.

    A replica that is there stays until the new one is complete (R046). What was sent before
    is sent anew, also when nothing of it is left: a cluster remembers that it has sent a
    snapshot, not that it was removed at the other side since.
    """
    if hindrance := replication_hindrance(backup):
        raise Refused(hindrance)
    resource, account = backup.resource, backup.account
    former = list(backup.replicas.not_removed())
    task = engine.start(
        KIND,
        title=f"Replicate {label_of(resource)}",
        subject=backup.name,
        account=account,
        cloud_account=resource.cloud_account,
        other_cloud_account=account.dr_cloud_account,
        resource=resource,
        transfer=True,
        origin=origin,
        requested_by=actor.user,
        parent=parent,
        args={
            "server": resource.external_id,
            "account": str(account.pk),
            "resource": str(resource.pk),
            "backup": str(backup.pk),
            "type": backup.type,
            "copy": backup.external_id,
            "to": target_of(account),
            "is_again": (
                backup.replicas.exists() or _is_overtaken(backup) or _was_recovered(backup)
            ),
            "replicas": removals_of(former),
        },
    )
    replica = Replica(
        backup=backup,
        account=account,
        cloud_account=account.dr_cloud_account,
        site=account.dr_site,
        link_back=account.dr_link_back,
        task=task,
        created_at=task.created_at,
    )
    _insert(replica)
    note_replication(backup, replica.status)
    # Of many, the trail has the one request.
    if actor.user and parent is None:
        record(
            actor, "backup.replicate", resource, result="requested", backup=str(backup.pk),
            name=backup.name, task=str(task.pk), to=account.dr_site,
        )  # fmt: skip
    return replica


def latest_of(account: Account, volumes: Iterable[UUID]) -> tuple[list[Backup], list[str]]:
    """The latest good backups of these volumes that can be replicated, and why others cannot."""
    chosen = Resource.objects.filter(account=account, pk__in=list(volumes)).volumes()
    good = Backup.objects.filter(pk__in=chosen.values("last_good_id")).order_by("created_at")
    found = list(good.select_related("resource__cloud_account", "account__dr_cloud_account"))
    backups, reasons = [], []
    for backup in found:
        hindrance = replication_hindrance(backup)
        if hindrance:
            reasons.append(hindrance)
        else:
            backups.append(backup)
    if without := chosen.count() - len(found):
        reasons.append(f"{without} without a good backup.")
    return backups, reasons


def _is_overtaken(backup: Backup) -> bool:
    """Whether a later backup of the resource has a replica: copies go in order of creation."""
    later = Replica.objects.not_removed().filter(
        backup__resource=backup.resource_id, backup__created_at__gt=backup.created_at
    )
    return later.exists()


def _was_recovered(backup: Backup) -> bool:
    """Whether its record was made of what was found: what it sent, and lost there, is not told."""
    adopted = Discrepancy.objects.filter(
        account=backup.account_id,
        kind=Discrepancy.Kind.COPY,
        state=Discrepancy.State.ADOPTED,
        external_id=backup.external_id,
    )
    return adopted.exists()


def _insert(replica: Replica) -> None:
    """The database decides who of two was first."""
    try:
        with transaction.atomic():
            replica.save(force_insert=True)
    except IntegrityError as error:
        raise Refused(f"“{replica.backup}” is being replicated already.") from error


def replicate_after(task: Task) -> None:
    """Follow whatever made a backup: it is replicated, whoever asked for it (R098)."""
    # Ten thousand backups may end at once where nothing is replicated.
    if task.account_id is None or not _REPLICATES.number(task.account_id):
        return
    backup = Backup.objects.select_related("resource", "account").filter(task=task).first()
    if backup is None or replication_hindrance(backup):
        return
    replicate_backup(SYSTEM, backup, origin=Task.Origin.SYSTEM)


_REPLICATES = PreparedCount(lambda pk: Account.objects.filter(pk=pk, dr_enabled=True), cap=0)
