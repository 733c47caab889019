"""Replica: the copy of a Backup at the secondary site."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import models
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from backups.models.backup import Backup
from portal.models import Account, CloudAccount, Resource, Task, User
from portal.models.resources import NEVER


class ReplicaQuerySet(models.QuerySet["Replica"]):
    def visible_to(self, user: User) -> ReplicaQuerySet:
        """Replicas of accounts the user may see."""
        return self.filter(account__in=Account.objects.visible_to(user))

    def there(self) -> ReplicaQuerySet:
        """Complete, and not removed: what can be restored from."""
        return self.filter(status=Replica.Status.DONE, removed_at=None)

    def not_removed(self) -> ReplicaQuerySet:
        """Those of which something is at the secondary site, or may be."""
        return self.filter(removed_at=None)


class Replica(models.Model):
    """One attempt to bring a backup to the secondary site, and what came of it.

    Replicating again makes another; the one before is removed when the new one is complete.
    """

    class Status(models.TextChoices):
        """Exactly these three (R090): waiting for its turn is In-progress too (Q10)."""

        IN_PROGRESS = "in_progress", "In-progress"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    backup = models.ForeignKey(Backup, models.PROTECT, related_name="replicas")
    # The backup's, which never changes.
    account = models.ForeignKey(Account, models.PROTECT, related_name="replicas", db_index=False)
    # Where it is: the account's secondary may be another by now.
    cloud_account = models.ForeignKey(CloudAccount, models.PROTECT, related_name="replicas")
    site = models.CharField(max_length=100)
    # By which that site knows the primary, to send it back (AHV: its Remote Site).
    link_back = models.CharField(max_length=100, blank=True)
    # The task that brings it; its token names what is made at both sites.
    task = models.OneToOneField(Task, models.PROTECT, null=True, related_name="replica")
    # The id of that task once it is purged: what is at both sites is still called after it.
    purged_task = models.UUIDField(null=True, editable=False)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.IN_PROGRESS)
    # What later calls want to know it by: the copy there, and what was sent (AHV: the snapshot).
    external_id = models.CharField(max_length=500, blank=True)
    sent_id = models.CharField(max_length=500, blank=True)
    # What travelled, and the time it took, waiting left out: the measured rate.
    sent_bytes = models.PositiveBigIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True)
    removed_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    objects = ReplicaQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=("in_progress", "done", "failed")),
                name="replica_status_is_one_of_three",
            ),
            models.UniqueConstraint(
                fields=["backup"],
                condition=Q(status="in_progress"),
                name="backup_is_replicated_once_at_a_time",
            ),
        )
        indexes = (
            models.Index(fields=["account", "status", "-completed_at"], name="replica_of_account"),
        )

    def __str__(self) -> str:
        return f"Replica of {self.backup} at {self.site}"

    @property
    def task_token(self) -> str:
        """Token of the task that brought it, which names its parts at both sites."""
        maker = self.task_id or self.purged_task
        return maker.hex if maker else ""

    @property
    def is_there(self) -> bool:
        """Whether it can be restored from."""
        return self.status == self.Status.DONE and self.removed_at is None

    @property
    def took(self) -> timedelta | None:
        """How long the bytes were on their way."""
        if self.started_at is None or self.completed_at is None:
            return None
        return self.completed_at - self.started_at


def note_replication(backup: Backup, status: str) -> None:
    """Write how a backup's replication stands onto it and its resource.

    Called with every change of a replica, in its transaction, so that they are never behind.
    """
    Backup.objects.filter(pk=backup.pk).update(replication_status=status)
    backup.replication_status = status
    resources = Resource.objects.filter(pk=backup.resource_id)
    resources.filter(last_backup_id=backup.pk).update(last_replication_status=status)
    note_replica_age(resources)


def note_replica_age(resources: QuerySet[Resource]) -> None:
    """Write the time of the newest backup that has a replica onto resources, by one statement."""
    with_replica = Backup.objects.filter(resource=OuterRef("pk")).ready()
    with_replica = with_replica.filter(
        replicas__status=Replica.Status.DONE, replicas__removed_at=None
    )
    newest = with_replica.order_by("-created_at").values("created_at")[:1]
    resources.order_by().update(last_replica_at=Coalesce(Subquery(newest), NEVER))
