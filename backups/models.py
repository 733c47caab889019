"""Backup: one point in time of one Resource."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.utils import timezone

from portal.models import Account, Infrastructure, Resource, Task, User


class IllegalTransition(Exception):
    """The status was left by somebody else, or the new one cannot follow it."""


class BackupQuerySet(models.QuerySet["Backup"]):
    def visible_to(self, user: User) -> BackupQuerySet:
        """Backups of accounts the user may see."""
        return self.filter(resource__account__in=Account.objects.visible_to(user))

    def listed(self) -> BackupQuerySet:
        """What a panel shows: everything that is, was meant to be, or is about to go."""
        return self.filter(status__in=Backup.LISTED)

    def ready(self) -> BackupQuerySet:
        """Complete and restorable."""
        return self.filter(status=Backup.Status.READY)


class Backup(models.Model):
    class Type(models.TextChoices):
        """What made it (R026, R158)."""

        PUBLISH = "P", "Publish"
        MANUAL = "M", "Manual"
        SCHEDULED = "S", "Scheduled"
        AFTER_SESSION = "D", "After session"

    class Status(models.TextChoices):
        CREATING = "creating", "In progress"  # its task runs; nothing to restore yet
        READY = "ready", "Complete"  # checked at the cloud; may be restored
        FAILED = "failed", "Failed"  # its task failed and has cleaned up; nothing to restore
        CANCELED = "canceled", "Canceled"  # stopped by a person; nothing is left of it
        DELETING = "deleting", "Deleting"  # must no longer be restored
        DELETED = "deleted", "Deleted"  # gone at the cloud; the row is kept for the records

    LISTED = (Status.CREATING, Status.READY, Status.FAILED, Status.DELETING)

    FOLLOWS: dict[str, frozenset[str]] = {
        Status.CREATING: frozenset({Status.READY, Status.FAILED, Status.CANCELED}),
        Status.READY: frozenset({Status.DELETING}),
        Status.FAILED: frozenset({Status.DELETING}),
        Status.CANCELED: frozenset(),
        Status.DELETING: frozenset({Status.DELETED, Status.READY, Status.FAILED}),
        Status.DELETED: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    resource = models.ForeignKey(Resource, models.PROTECT, related_name="backups")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True)
    type = models.CharField(max_length=1, choices=Type.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CREATING)
    status_changed_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True)
    size_bytes = models.PositiveBigIntegerField(null=True)
    site = models.CharField(max_length=100, blank=True)
    external_id = models.CharField(max_length=500, blank=True)
    is_crash_consistent = models.BooleanField(
        default=False, help_text="Made while the server ran: its disk is as after a power cut."
    )
    # The task that made it: its token names the copy at the cloud.
    task = models.ForeignKey(Task, models.PROTECT, null=True, related_name="backups")
    error = models.TextField(blank=True)

    objects = BackupQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=["resource", "-created_at"], name="backup_of_resource"),)

    def __str__(self) -> str:
        return self.name

    def move_to(self, status: str, **changes: Any) -> None:
        """Change the status if nobody changed it first; raise IllegalTransition otherwise."""
        if status not in self.FOLLOWS[self.status]:
            raise IllegalTransition(f"{self.status} -> {status}")
        changes |= {"status": status, "status_changed_at": timezone.now()}
        if not Backup.objects.filter(pk=self.pk, status=self.status).update(**changes):
            raise IllegalTransition(f"backup {self.pk} left {self.status} meanwhile")
        for name, value in changes.items():
            setattr(self, name, value)

    @property
    def is_ready(self) -> bool:
        return self.status == self.Status.READY

    @property
    def may_restore(self) -> bool:
        """Only a complete backup can be restored (R004)."""
        return self.status == self.Status.READY

    @property
    def may_delete(self) -> bool:
        return self.Status.DELETING in self.FOLLOWS[self.status]

    def parts(self) -> list[tuple[str, str]]:
        """What there is of it at the clouds, each with its site: all of it goes with it (R061)."""
        if not self.external_id:
            return []
        names = {
            Infrastructure.AHV: f"Copy of the server, the VM standby-{self.task_token}",
            Infrastructure.AZURE: f"Incremental snapshot of the OS disk, standby-{self.task_token}",
        }
        return [(names[Infrastructure(self.resource.account.infrastructure)], self.site)]

    @property
    def task_token(self) -> str:
        """Token of the task that made it, which names its parts at a cloud."""
        return self.task_id.hex if self.task_id else ""

    @property
    def taken_at(self) -> Any:
        """The point in time it holds, as far as known."""
        return self.completed_at or self.created_at
