"""BYO Master Image on AHV: an additional backup that outlives the one it was made of (R054-R056).

The virtual machine of the additional backup is the one to choose as master image. Retention
does not see it, and it is not deleted by hand before it is unmarked.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import transaction

from backups import services
from backups.models import Backup
from backups.replicas import mark_of
from backups.workflows import CHECK, REMOVE_COPY, CreateBackup
from portal import engine
from portal.audit import Actor, record
from portal.clouds.api import CloudRefused, Copy, NotFound, Operation
from portal.engine.workflow import Job, Learned, Step
from portal.models import Infrastructure, Task
from portal.refusals import Refused

KIND = "protect_master_image"


def mark_refusal(backup: Backup) -> str:
    """Why a backup cannot be marked, or "": only a complete one, on AHV (R056), and once."""
    if backup.resource.account.infrastructure != Infrastructure.AHV:
        return "On Azure a backup is a snapshot; no additional backup is needed."
    if not backup.is_ready or backup.is_master_image:
        return f"“{backup}” cannot serve as BYO Master Image: choose another complete backup."
    kept = (Backup.Status.CREATING, Backup.Status.READY)
    if Backup.objects.filter(original=backup, status__in=kept).exists():
        return f"“{backup}” already has a backup that serves as BYO Master Image."
    return ""


@transaction.atomic
def mark_master_image(actor: Actor, backup: Backup) -> Backup:
    """Start making the additional backup that serves as BYO Master Image, and return it.

    It holds the same point in time. Raises Refused, Busy among them.
    """
    resource = backup.resource
    if refusal := mark_refusal(backup):
        raise Refused(refusal)
    image = Backup.of(
        resource,
        name=f"Master image of {backup.name}"[:100],
        type=backup.type,
        site=backup.site,
        original=backup,
        is_crash_consistent=backup.is_crash_consistent,
        is_generalized=backup.is_generalized,
        created_at=backup.created_at,
    )
    args = services.args_of(resource, image, may_power_off=False)
    image.task = engine.start(
        KIND,
        title=f"Protect master image of {services.label_of(resource)}",
        subject=backup.name,
        account=resource.account,
        cloud_account=resource.cloud_account,
        resource=resource,
        exclusive=True,
        requested_by=actor.user,
        args=args | {"copy": backup.external_id},
    )
    image.insert()
    record(
        actor, "backup.mark_master_image", resource, result="requested",
        backup=str(backup.pk), name=backup.name, task=str(image.task.pk),
    )  # fmt: skip
    return image


@transaction.atomic
def unmark_master_image(actor: Actor, image: Backup) -> None:
    """Make the additional backup an ordinary, pinned one: it can be deleted by hand again."""
    marked = Backup.objects.filter(pk=image.pk, status=Backup.Status.READY, original__isnull=False)
    if not marked.update(original=None, is_pinned=True):
        raise Refused(f"“{image}” does not serve as master image, or not yet. Reload the page.")
    image.original, image.is_pinned = None, True
    record(
        actor, "backup.unmark_master_image", image.resource, backup=str(image.pk), name=image.name
    )


def _look_at_copy(job: Job) -> Learned:
    try:
        return {"size": job.cloud.find_copy(job.args["copy"]).size_bytes}
    except NotFound as error:
        raise CloudRefused(
            "The backup is no longer at the cloud, so it cannot serve as master image.",
            advice="Choose another backup, and delete this one from the list.",
        ) from error


def _copy_copy(job: Job) -> Operation | Learned:
    """On AHV a backup is a VM, so a copy of it is made as of any server."""
    answer = job.cloud.ensure_copy(job.args["copy"], job.token, mark_of(job))
    return {"copy": answer.id} if isinstance(answer, Copy) else answer


@engine.register
class ProtectMasterImage(CreateBackup):
    """Copy the copy. The server is not touched."""

    kind = KIND
    steps: ClassVar[tuple[Step, ...]] = (
        Step("look", "Check the backup", _look_at_copy),
        Step("copy", "Make the additional backup", _copy_copy, weight=6),
        CHECK,
    )
    cleanup: ClassVar[tuple[Step, ...]] = (REMOVE_COPY,)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        image = Backup.objects.select_related("original__resource__account").get(task=task)
        return mark_master_image(actor, image.original).task if image.original else None
