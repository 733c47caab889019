"""Backup: one point in time of one Resource."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from portal.engine import clock
from portal.models import Account, Infrastructure, Resource, Task, User
from portal.models.resources import NEVER

if TYPE_CHECKING:
    from backups.models.replica import Replica


class IllegalTransition(Exception):
    """The status was left by somebody else, or the new one cannot follow it."""


class BackupQuerySet(models.QuerySet["Backup"]):
    def visible_to(self, user: User) -> BackupQuerySet:
        """Backups of accounts the user may see."""
        return self.filter(account__in=Account.objects.visible_to(user))

    def of_volumes(self) -> BackupQuerySet:
        """Backups of what the Volumes page manages."""
        return self.filter(kind__in=Resource.VOLUME_KINDS)

    def listed(self) -> BackupQuerySet:
        """What a panel shows: everything that is, was meant to be, or is about to go."""
        # A list, because SQLite searches no index for a column that stands alone.
        return self.filter(is_listed__in=[True])

    def ready(self) -> BackupQuerySet:
        """Complete and restorable."""
        return self.filter(status=Backup.Status.READY)

    def counted(self, type_: str) -> BackupQuerySet:
        """What counts as kept of a type: neither pinned nor made to protect a master image."""
        return self.filter(type=type_, is_pinned=False, original=None)

    def held_manually(self) -> BackupQuerySet:
        """What counts towards the cap on manual backups (R038): all there is, or soon will be."""
        return self.filter(Backup.HELD_MANUALLY)


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
        MISSED = "missed", "Missed"  # was due while nothing could run; never begun (Q8)
        CANCELED = "canceled", "Canceled"  # stopped by a person; nothing is left of it
        DELETING = "deleting", "Deleting"  # must no longer be restored
        DELETED = "deleted", "Deleted"  # gone at the cloud; the row is kept for the records

    LISTED = (Status.CREATING, Status.READY, Status.FAILED, Status.MISSED, Status.DELETING)

    # What can be the latest word on how a resource is protected.
    TELLING = (Status.CREATING, Status.READY, Status.FAILED, Status.MISSED)

    HELD_MANUALLY = Q(
        type=Type.MANUAL,
        status__in=(Status.CREATING, Status.READY, Status.DELETING),
        original=None,
    )

    FOLLOWS: dict[str, frozenset[str]] = {
        Status.CREATING: frozenset({Status.READY, Status.FAILED, Status.CANCELED}),
        Status.READY: frozenset({Status.DELETING, Status.FAILED}),
        # What was given up may turn out whole at a site, and is adopted.
        Status.FAILED: frozenset({Status.DELETING, Status.READY}),
        Status.MISSED: frozenset({Status.DELETED}),
        Status.CANCELED: frozenset(),
        Status.DELETING: frozenset({Status.DELETED, Status.READY, Status.FAILED}),
        Status.DELETED: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # It begins two indexes below.
    resource = models.ForeignKey(Resource, models.PROTECT, related_name="backups", db_index=False)
    # The resource's, which change neither: a list of a million needs them in its index.
    account = models.ForeignKey(Account, models.PROTECT, related_name="backups", db_index=False)
    kind = models.CharField(max_length=20, choices=Resource.Kind.choices)
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True)
    type = models.CharField(max_length=1, choices=Type.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CREATING)
    # Rows of what is gone are kept for the records, and soon are most of them: no index for a
    # list may lead through them.
    is_listed = models.GeneratedField(
        expression=models.Case(models.When(status__in=LISTED, then=True), default=False),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    status_changed_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    completed_at = models.DateTimeField(null=True)
    size_bytes = models.PositiveBigIntegerField(null=True)
    site = models.CharField(max_length=100, blank=True)
    external_id = models.CharField(max_length=500, blank=True)
    # Since when its copy is known to be gone at the primary site; a replica may be there.
    missing_since = models.DateTimeField(null=True, editable=False)
    is_crash_consistent = models.BooleanField(
        default=False, help_text="Made while the server ran: its disk is as after a power cut."
    )
    # The task that made it: its token names the copy at the cloud.
    task = models.ForeignKey(Task, models.PROTECT, null=True, related_name="backups")
    # The id of that task once it is purged: the copy is still called after it.
    purged_task = models.UUIDField(null=True, editable=False)
    error = models.TextField(blank=True)
    # How its latest replication stands, "" without one: the same words as `Replica.Status`.
    replication_status = models.CharField(max_length=12, blank=True, editable=False)
    # The run of the schedule it is: each is made or missed once, whoever looks.
    due_at = models.DateTimeField(null=True)
    is_pinned = models.BooleanField(default=False, help_text="Retention leaves it alone.")
    is_generalized = models.BooleanField(
        default=False, help_text="Sysprep has run in it: Windows sets itself up at its next start."
    )
    # Of the backup that serves as BYO Master Image, this is the additional one (R054).
    original = models.ForeignKey("self", models.SET_NULL, null=True, related_name="master_images")

    objects = BackupQuerySet.as_manager()

    class Meta:
        constraints = (
            # Those of a replica (R090), or "" without one.
            models.CheckConstraint(
                condition=Q(replication_status__in=("", "in_progress", "done", "failed")),
                name="replication_status_is_one_of_three",
            ),
            models.UniqueConstraint(
                fields=["resource", "due_at"],
                condition=Q(due_at__isnull=False),
                name="run_is_made_or_missed_once",
            ),
        )
        indexes = (
            models.Index(fields=["resource", "-created_at"], name="backup_of_resource"),
            # One for each way a list of an account's is narrowed.
            models.Index(
                fields=["account", "is_listed", "-created_at", "-id"], name="backup_of_account"
            ),
            models.Index(
                fields=["account", "is_listed", "kind", "-created_at", "-id"],
                name="backup_of_kind",
            ),
            models.Index(
                fields=["account", "is_listed", "type", "-created_at", "-id"],
                name="backup_of_type",
            ),
            models.Index(
                fields=["account", "status", "-created_at", "-id"], name="backup_of_status"
            ),
            models.Index(
                fields=["account", "replication_status", "-created_at", "-id"],
                name="backup_of_replication",
            ),
            # How many each volume of a kind holds, counted without a look at a row: a change of
            # settings says what it would remove of a million.
            models.Index(
                fields=["account", "kind", "type", "resource", "status", "is_pinned", "original"],
                name="backup_held",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of(cls, resource: Resource, **fields: Any) -> Backup:
        """A new backup of a resource, not yet saved."""
        return cls(resource=resource, account=resource.account, kind=resource.kind, **fields)

    def insert(self) -> None:
        """Save a new backup; it is the latest of its resource, most often."""
        self.save(force_insert=True)
        note_latest(Resource.objects.filter(pk=self.resource_id))

    def move_to(self, status: str, **changes: Any) -> None:
        """Change the status if nobody changed it first; raise IllegalTransition otherwise."""
        if status not in self.FOLLOWS[self.status]:
            raise IllegalTransition(f"{self.status} -> {status}")
        changes |= {"status": status, "status_changed_at": clock.now()}
        if not Backup.objects.filter(pk=self.pk, status=self.status).update(**changes):
            raise IllegalTransition(f"backup {self.pk} left {self.status} meanwhile")
        for name, value in changes.items():
            setattr(self, name, value)
        if not self._note_ending():
            note_latest(Resource.objects.filter(pk=self.resource_id))

    def _note_ending(self) -> bool:
        """Note that the latest backup of its resource has ended; false where that is not all.

        A bulk backup does this ten thousand times: to look for the latest would take longer.
        """
        if self.status not in (self.Status.READY, self.Status.FAILED):
            return False
        facts: dict[str, Any] = {"last_backup_status": self.status}
        if self.is_ready:
            facts |= {"last_good_id": self.pk, "last_good_at": self.created_at}
        latest = Resource.objects.filter(pk=self.resource_id, last_backup_id=self.pk)
        return bool(latest.filter(last_backup_status=self.Status.CREATING).update(**facts))

    @property
    def is_ready(self) -> bool:
        return self.status == self.Status.READY

    @property
    def is_moving(self) -> bool:
        """Whether a task is making or removing it."""
        return self.status in (self.Status.CREATING, self.Status.DELETING)

    @property
    def may_restore(self) -> bool:
        """Only a complete backup can be restored (R004)."""
        return self.status == self.Status.READY

    @property
    def may_delete(self) -> bool:
        """Whether its state allows it. What serves as master image is unmarked first (R055)."""
        if self.is_master_image:
            return False
        may_go = self.Status.DELETING in self.FOLLOWS[self.status]
        return may_go or self.status == self.Status.MISSED

    @property
    def may_pin(self) -> bool:
        """Only what can be restored is worth keeping."""
        return self.is_ready and not self.is_master_image

    @property
    def is_master_image(self) -> bool:
        """Whether it is the additional backup that serves as BYO Master Image (R054)."""
        return self.original_id is not None

    def parts(self) -> list[tuple[str, str]]:
        """What there is of it at the clouds, each with its site: all of it goes with it (R061)."""
        if not self.external_id:
            return []
        here = [(self._copy_in_words(), self.site)]
        replicas = list(self.replicas.not_removed())
        if replicas and self._is_ahv and "/" not in self.external_id:
            domain = f"standby-pd-{self.external_id.replace('-', '')}"
            here.append((f"The whole protection domain of this backup, {domain}", self.site))
        return [*here, *((self._replica_in_words(each), each.site) for each in replicas)]

    @property
    def _is_ahv(self) -> bool:
        return bool(self.resource.account.infrastructure == Infrastructure.AHV)

    def _copy_in_words(self) -> str:
        if not self._is_ahv:
            is_data = self.resource.is_volume and not self.resource.is_desktop
            disk = "disk" if is_data else "OS disk"
            return f"Incremental snapshot of the {disk}, standby-{self.task_token}"
        if self.resource.is_volume:
            domain, _, number = self.external_id.partition("/")
            return f"Snapshot {number} of the protection domain {domain}"
        return f"Copy of the server, the VM standby-{self.task_token}"

    def _replica_in_words(self, replica: Replica) -> str:
        """A replica that failed may have left something, under the same name."""
        name = f"standby-{replica.task_token}"
        if not self._is_ahv:
            return f"Replica, the incremental snapshot {name}"
        if "/" in replica.external_id:
            domain, _, number = replica.external_id.partition("/")
            return f"Replica, snapshot {number} of the standby domain {domain}"
        return f"Replica, the VM clone {name}"

    def kept_images(self) -> BackupQuerySet:
        """Backups made of it that serve as BYO Master Image: they stay when it goes (R055)."""
        return Backup.objects.filter(original=self, status=self.Status.READY)

    @property
    def machine_name(self) -> str:
        """Name of the virtual machine that it is, on AHV."""
        return f"standby-{self.task_token}"

    @property
    def task_token(self) -> str:
        """Token of the task that made it, which names its parts at a cloud."""
        maker = self.task_id or self.purged_task
        return maker.hex if maker else ""

    @property
    def taken_at(self) -> Any:
        """The point in time it holds, as far as known."""
        return self.completed_at or self.created_at


def note_latest(resources: QuerySet[Resource]) -> None:
    """Write the facts of the latest backup onto resources, by one statement.

    Called with every change of a backup, in its transaction, so that they are never behind.
    """
    of_each = Backup.objects.filter(resource=OuterRef("pk")).order_by("-created_at", "-pk")
    latest = of_each.filter(status__in=Backup.TELLING)
    good = of_each.ready()
    resources.order_by().update(
        last_backup_id=Subquery(latest.values("pk")[:1]),
        last_backup_status=Coalesce(Subquery(latest.values("status")[:1]), models.Value("")),
        last_backup_at=Coalesce(Subquery(latest.values("created_at")[:1]), NEVER),
        last_good_id=Subquery(good.values("pk")[:1]),
        last_good_at=Coalesce(Subquery(good.values("created_at")[:1]), NEVER),
        last_replication_status=Coalesce(
            Subquery(latest.values("replication_status")[:1]), models.Value("")
        ),
    )
