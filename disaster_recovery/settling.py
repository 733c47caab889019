"""Settling a discrepancy: adopt what is unknown, delete it at its site, or leave it be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import ManyToOneRel

from backups.models import Backup, Replica, note_latest, note_replication
from disaster_recovery.models import Discrepancy
from disaster_recovery.reconciliation import marked_of
from portal import engine
from portal.audit import Actor, record
from portal.clouds.api import Mark, Operation
from portal.engine import clock
from portal.engine.workflow import Job, Step, Workflow
from portal.models import Account, Notification, Resource, Task
from portal.notify import Level, tell
from portal.refusals import Refused
from portal.uuids import as_uuid

KIND = "remove_discrepancy"
NAMESPACE = UUID("8a1f4c1e-8a52-4f6b-9d0a-3f2b6f0e7c11")
State, Kind = Discrepancy.State, Discrepancy.Kind


def _claim(found: Discrepancy, state: str) -> Discrepancy:
    """Lock it while it is open; raises Refused when somebody else has settled it."""
    rows = Discrepancy.objects.select_for_update().filter(pk=found.pk)
    row = rows.filter(state__in=[State.OPEN, State.IGNORED]).first()
    if row is None:
        raise Refused(f"“{found}” has been settled meanwhile. Reload the page.")
    rows.update(state=state)
    return row


@transaction.atomic
def ignore(actor: Actor, found: Discrepancy) -> None:
    """Leave it as it is, off the list of what waits for somebody."""
    _claim(found, State.IGNORED)
    record(actor, "recovery.ignore", found.account, thing=found.name, place=found.site)


@transaction.atomic
def delete(actor: Actor, found: Discrepancy) -> Task:
    """Start removing an unknown thing at its site. Raises Refused."""
    if not found.is_unknown:
        raise Refused("It is not at the site any more: there is nothing to delete.")
    row = _claim(found, State.DELETED)
    account = row.account
    task = engine.start(
        KIND,
        title="Remove what is unknown",
        subject=row.name,
        account=account,
        cloud_account=account.cloud_account,
        other_cloud_account=row.cloud_account,
        requested_by=actor.user,
        args={"discrepancy": str(row.pk), "found": row.found},
    )
    Discrepancy.objects.filter(pk=row.pk).update(task=task)
    record(
        actor, "recovery.remove_unknown", account, result="requested", thing=row.name,
        place=row.site, task=str(task.pk),
    )  # fmt: skip
    return task


def _remove(job: Job) -> Operation | None:
    return job.cloud.ensure_removed(marked_of(job.args["found"]))


@engine.register
class RemoveDiscrepancy(Workflow):
    """Remove one thing that is in no record, at whichever site it is."""

    kind = KIND
    steps: ClassVar[tuple[Step, ...]] = (
        Step("remove", "Remove it at its site", _remove, is_elsewhere=True, is_committed=True),
    )
    deadline = timedelta(minutes=30)

    def failed(self, task: Task) -> None:
        rows = Discrepancy.objects.filter(pk=task.args["discrepancy"])
        rows.update(state=State.OPEN)
        if task.account and task.state == Task.State.FAILED:
            title = f"“{task.subject}” could not be removed"
            body = f"{task.error} {task.advice}"
            tell(task.account, Level.ERROR, title, body, kind=Notification.Kind.RECOVERY, task=task)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        return delete(actor, Discrepancy.objects.get(pk=task.args["discrepancy"]))


@transaction.atomic
def adopt(actor: Actor, found: Discrepancy) -> Backup:
    """Make records of an unknown backup or replica: it can be restored from then.

    It is pinned: why it was made is not known, and retention must not take it. Raises Refused.
    """
    if not found.may_adopt:
        raise Refused(
            f"It is not known of what “{found}” is. Synchronise the inventory, assign the "
            "machine, then reconcile again."
        )
    row = _claim(found, State.ADOPTED)
    backup = _backup_of(row)
    if row.kind == Kind.COPY:
        Backup.objects.filter(pk=backup.pk).update(
            external_id=row.external_id, missing_since=None, size_bytes=row.size_bytes
        )
    else:
        _make_replica(row, backup)
    note_latest(Resource.objects.filter(pk=backup.resource_id))
    record(actor, "recovery.adopt", backup.resource, backup=str(backup.pk), thing=row.name)
    return backup


def _backup_of(row: Discrepancy) -> Backup:
    """The backup that a copy is, or that a replica is of; made if there is no record of it."""
    mark = Mark(**row.found["mark"])
    # A snapshot of a protection domain does not say of which backup it is: where both sites
    # hold it, it has the same number.
    key = as_uuid(mark.backup) or uuid5(NAMESPACE, _key_of(row))
    resource = Resource.objects.select_related("account").get(pk=row.found["resource"])
    by_copy = Backup.objects.filter(resource=resource, external_id=_key_of(row))
    found = Backup.objects.filter(pk=key).first() or by_copy.first()
    if found and found.status != Backup.Status.DELETED:
        if found.resource_id != resource.pk:
            raise Refused(f"“{row}” carries the mark of a backup of another resource.")
        if found.status == Backup.Status.FAILED:
            _revive(found, row)
        return found
    if found:
        key = uuid5(NAMESPACE, f"{found.pk} {row.external_id}")
    at = row.made_at or clock.now()
    token = as_uuid(mark.task) if row.kind == Kind.COPY else None
    task = _ended_task(row, resource, token or uuid5(NAMESPACE, f"task {key}"), "create_backup")
    backup = Backup.of(
        resource,
        pk=key,
        name=f"Recovered, {at:%d %b %Y %H:%M} UTC",
        description="Found at the cloud, and taken into the records again.",
        type=mark.type if mark.type in Backup.Type.values else Backup.Type.MANUAL,
        status=Backup.Status.READY,
        site=row.account.site,
        created_at=at,
        completed_at=at,
        size_bytes=row.size_bytes,
        is_pinned=True,
        task=task,
        missing_since=clock.now(),
    )
    backup.save(force_insert=True)
    return backup


def _revive(backup: Backup, row: Discrepancy) -> None:
    """A backup that was given up is good after all; whether its copy is here, `adopt` says."""
    at = row.made_at or clock.now()
    backup.move_to(
        Backup.Status.READY, error="", completed_at=at, size_bytes=row.size_bytes,
        is_pinned=True, missing_since=clock.now(),
    )  # fmt: skip


def _key_of(row: Discrepancy) -> str:
    others = row.found.get("other_ids") or [row.external_id]
    return str(others[0])


def _make_replica(row: Discrepancy, backup: Backup) -> None:
    mark, account = Mark(**row.found["mark"]), row.account
    token = as_uuid(mark.task) or uuid5(NAMESPACE, f"replica {row.external_id}")
    task = _ended_task(row, backup.resource, token, "replicate_backup")
    Replica.objects.create(
        backup=backup,
        account=account,
        cloud_account=row.cloud_account,
        site=row.site,
        link_back=account.dr_link_back,
        task=task,
        status=Replica.Status.DONE,
        external_id=row.external_id,
        sent_id=next(iter(row.found.get("other_ids", ())), ""),
        sent_bytes=row.size_bytes,
        completed_at=row.made_at or clock.now(),
    )
    note_replication(backup, Replica.Status.DONE)


def _ended_task(row: Discrepancy, resource: Resource, pk: UUID, kind: str) -> Task:
    """The task that made it, as far as it is known: its id names the thing at the cloud."""
    if found := Task.objects.filter(pk=pk).first():
        return found
    at = row.made_at or clock.now()
    given: dict[str, Any] = {"account": row.account, "resource": resource, "kind": kind}
    return Task.objects.create(
        pk=pk,
        title="Recovered from the cloud",
        subject=row.name,
        state=Task.State.DONE,
        origin=Task.Origin.SYSTEM,
        created_at=at,
        started_at=at,
        ended_at=at,
        deadline_at=at,
        acknowledged_at=clock.now(),
        **given,
    )


@transaction.atomic
def take_over_ids(account: Account) -> int:
    """Give resources the ids that the marks name for their machines; return to how many.

    What protects a desktop or volume for good is called after that id at its cluster (AHV). With
    another one the next backup would find it protected by a stranger.
    """
    rows = Discrepancy.objects.filter(account=account, state=State.OPEN)
    changed = 0
    for row in rows.filter(kind__in=(Kind.COPY, Kind.REPLICA)).order_by("found_at"):
        present = as_uuid(row.found.get("resource", ""))
        former = as_uuid(Mark(**row.found["mark"]).resource)
        if present is None or former is None or former == present:
            continue
        if Resource.objects.filter(pk=present).exists():
            if Resource.objects.filter(pk=former).exists():
                continue
            _rename(present, former)
            changed += 1
        Discrepancy.objects.filter(pk=row.pk).update(found=row.found | {"resource": str(former)})
    return changed


def _rename(present: UUID, former: UUID) -> None:
    """Change a resource's key, and every row that names it."""
    Resource.objects.filter(pk=present).update(id=former)
    for each in Resource._meta.get_fields(include_hidden=True):
        if isinstance(each, ManyToOneRel):
            rows = each.related_model._base_manager.filter(**{each.field.attname: present})
            rows.update(**{each.field.attname: former})
