"""Backup: one point in time of one Resource. BackupPolicy: when it is made, and what is kept."""

from __future__ import annotations

import uuid
from datetime import datetime, time
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from backups.schedule import Schedule
from portal.engine import clock
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

    HELD_MANUALLY = Q(
        type=Type.MANUAL,
        status__in=(Status.CREATING, Status.READY, Status.DELETING),
        original=None,
    )

    FOLLOWS: dict[str, frozenset[str]] = {
        Status.CREATING: frozenset({Status.READY, Status.FAILED, Status.CANCELED}),
        Status.READY: frozenset({Status.DELETING}),
        Status.FAILED: frozenset({Status.DELETING}),
        Status.MISSED: frozenset({Status.DELETED}),
        Status.CANCELED: frozenset(),
        Status.DELETING: frozenset({Status.DELETED, Status.READY, Status.FAILED}),
        Status.DELETED: frozenset(),
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # It begins two indexes below.
    resource = models.ForeignKey(Resource, models.PROTECT, related_name="backups", db_index=False)
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
            models.UniqueConstraint(
                fields=["resource", "due_at"],
                condition=Q(due_at__isnull=False),
                name="run_is_made_or_missed_once",
            ),
        )
        indexes = (models.Index(fields=["resource", "-created_at"], name="backup_of_resource"),)

    def __str__(self) -> str:
        return self.name

    def move_to(self, status: str, **changes: Any) -> None:
        """Change the status if nobody changed it first; raise IllegalTransition otherwise."""
        if status not in self.FOLLOWS[self.status]:
            raise IllegalTransition(f"{self.status} -> {status}")
        changes |= {"status": status, "status_changed_at": clock.now()}
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
        names = {
            Infrastructure.AHV: f"Copy of the server, the VM standby-{self.task_token}",
            Infrastructure.AZURE: f"Incremental snapshot of the OS disk, standby-{self.task_token}",
        }
        return [(names[Infrastructure(self.resource.account.infrastructure)], self.site)]

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
        return self.task_id.hex if self.task_id else ""

    @property
    def taken_at(self) -> Any:
        """The point in time it holds, as far as known."""
        return self.completed_at or self.created_at


MOST_KEPT = 100
_KEPT = (MinValueValidator(1), MaxValueValidator(MOST_KEPT))


class BackupPolicyQuerySet(models.QuerySet["BackupPolicy"]):
    def visible_to(self, user: User) -> BackupPolicyQuerySet:
        """Policies of accounts the user may see."""
        return self.filter(resource__account__in=Account.objects.visible_to(user))

    def due(self, now: datetime) -> BackupPolicyQuerySet:
        """Those whose next run is not in the future, the longest overdue first."""
        return self.filter(next_run_at__lte=now).order_by("next_run_at", "pk")


class BackupPolicy(models.Model):
    """Settings of one system (R042): its schedule, and how many of its backups are kept.

    A resource without a row has the defaults. ``next_run_at`` is set exactly while
    ``is_scheduled``. The time of day holds from the local date ``starts_on`` on; a run
    that was due before a change stays as it was (R074).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    resource = models.OneToOneField(Resource, models.CASCADE, related_name="backup_policy")
    is_scheduled = models.BooleanField("schedule daily backups", default=False)
    backup_time = models.TimeField(default=time(2))
    time_zone = models.CharField(max_length=64, default="UTC")
    # One day is what the pages offer; the rules hold for any (Q4).
    interval_days = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    starts_on = models.DateField(null=True, blank=True)
    next_run_at = models.DateTimeField(null=True, blank=True)
    keep_scheduled = models.PositiveSmallIntegerField(
        "number of scheduled backups retained", default=7, validators=_KEPT
    )
    keep_manual = models.PositiveSmallIntegerField(
        "number of manual backups retained", default=10, validators=_KEPT
    )

    objects = BackupPolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "backup policies"
        constraints = (
            models.CheckConstraint(
                condition=Q(
                    keep_scheduled__range=(1, MOST_KEPT), keep_manual__range=(1, MOST_KEPT)
                ),
                name="kept_are_1_to_100",
            ),
            models.CheckConstraint(
                condition=Q(is_scheduled=False, next_run_at=None)
                | Q(is_scheduled=True, next_run_at__isnull=False, starts_on__isnull=False),
                name="scheduled_has_next_run",
            ),
        )
        indexes = (models.Index(fields=["next_run_at"], name="policy_is_due"),)

    def __str__(self) -> str:
        return f"Settings of {self.resource}"

    @classmethod
    def of(cls, resource: Resource) -> BackupPolicy:
        """The settings of a system; unsaved defaults, in its account's time zone, if none are."""
        found = cls.objects.filter(resource=resource).first()
        return found or cls(resource=resource, time_zone=resource.account.time_zone)

    @property
    def schedule(self) -> Schedule | None:
        """When it runs, or None."""
        if not self.is_scheduled or self.starts_on is None:
            return None
        return Schedule(self.backup_time, self.time_zone, self.starts_on, self.interval_days)
