"""Settings: when backups of a system, or of all volumes of a kind, are made, and what is kept."""

from __future__ import annotations

import uuid
from datetime import datetime, time

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from backups.schedule import Schedule
from portal.models import Account, Resource, User

MOST_KEPT = 100
_KEPT = (MinValueValidator(1), MaxValueValidator(MOST_KEPT))


class Settings(models.Model):
    """What settings of one system, or of all volumes of a kind, have in common.

    ``next_run_at`` is set exactly while ``is_scheduled``. The time of day holds from the local
    date ``starts_on`` on; a run that was due before a change stays as it was (R074).
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    is_scheduled = models.BooleanField("schedule daily backups", default=False)
    backup_time = models.TimeField(default=time(2))
    time_zone = models.CharField(max_length=64, default="UTC")
    # One day is what the pages offer; the rules hold for any (Q4).
    interval_days = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    starts_on = models.DateField(null=True, blank=True)
    next_run_at = models.DateTimeField(null=True, blank=True)
    # The run that was settled last: started, or marked as missed.
    last_run_at = models.DateTimeField(null=True, blank=True, editable=False)
    keep_scheduled = models.PositiveSmallIntegerField(
        "number of scheduled backups retained", default=7, validators=_KEPT
    )
    keep_manual = models.PositiveSmallIntegerField(
        "number of manual backups retained", default=10, validators=_KEPT
    )
    keep_after_session = models.PositiveSmallIntegerField(
        "number of post-session backups retained", default=3, validators=_KEPT
    )

    class Meta:
        abstract = True

    @property
    def schedule(self) -> Schedule | None:
        """When it runs, or None."""
        if not self.is_scheduled or self.starts_on is None:
            return None
        return Schedule(self.backup_time, self.time_zone, self.starts_on, self.interval_days)


_ALL_KEPT = Q(
    keep_scheduled__range=(1, MOST_KEPT),
    keep_manual__range=(1, MOST_KEPT),
    keep_after_session__range=(1, MOST_KEPT),
)
_SCHEDULED = Q(is_scheduled=False, next_run_at=None) | Q(
    is_scheduled=True, next_run_at__isnull=False, starts_on__isnull=False
)


class BackupPolicyQuerySet(models.QuerySet["BackupPolicy"]):
    def visible_to(self, user: User) -> BackupPolicyQuerySet:
        """Policies of accounts the user may see."""
        return self.filter(resource__account__in=Account.objects.visible_to(user))

    def due(self, now: datetime) -> BackupPolicyQuerySet:
        """Those whose next run is not in the future, the longest overdue first."""
        return self.filter(next_run_at__lte=now).order_by("next_run_at", "pk")


class BackupPolicy(Settings):
    """Settings of one system (R042). A system without a row has the defaults."""

    resource = models.OneToOneField(Resource, models.CASCADE, related_name="backup_policy")

    objects = BackupPolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "backup policies"
        constraints = (
            models.CheckConstraint(condition=_ALL_KEPT, name="kept_are_1_to_100"),
            models.CheckConstraint(condition=_SCHEDULED, name="scheduled_has_next_run"),
        )
        indexes = (models.Index(fields=["next_run_at"], name="policy_is_due"),)

    def __str__(self) -> str:
        return f"Settings of {self.resource}"

    @classmethod
    def of(cls, resource: Resource) -> BackupPolicy:
        """The settings of a system; unsaved defaults, in its account's time zone, if none are."""
        found = cls.objects.filter(resource=resource).first()
        return found or cls(resource=resource, time_zone=resource.account.time_zone)


class VolumePolicyQuerySet(models.QuerySet["VolumePolicy"]):
    def visible_to(self, user: User) -> VolumePolicyQuerySet:
        """Policies of accounts the user may see."""
        return self.filter(account__in=Account.objects.visible_to(user))

    def due(self, now: datetime) -> VolumePolicyQuerySet:
        """Those whose next run is not in the future, the longest overdue first."""
        return self.filter(next_run_at__lte=now).order_by("next_run_at", "pk")


class VolumePolicy(Settings):
    """Settings of all volumes of a kind in an account (R069, R071, Q5); numbers are per volume."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="volume_policies")
    kind = models.CharField(max_length=20, choices=Resource.Kind.choices)

    objects = VolumePolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "volume policies"
        constraints = (
            models.UniqueConstraint(fields=["account", "kind"], name="kind_has_one_policy"),
            models.CheckConstraint(
                condition=Q(kind__in=Resource.VOLUME_KINDS), name="policy_is_of_volumes"
            ),
            models.CheckConstraint(condition=_ALL_KEPT, name="volumes_kept_are_1_to_100"),
            models.CheckConstraint(condition=_SCHEDULED, name="volumes_have_next_run"),
        )
        indexes = (models.Index(fields=["next_run_at"], name="volume_policy_is_due"),)

    def __str__(self) -> str:
        return f"Settings of {self.get_kind_display()}s of {self.account}"

    @classmethod
    def of(cls, account: Account, kind: str) -> VolumePolicy:
        """The settings of a kind; unsaved defaults, in the account's time zone, if none are."""
        found = cls.objects.filter(account=account, kind=kind).first()
        return found or cls(account=account, kind=kind, time_zone=account.time_zone)


def settings_of(resource: Resource) -> Settings:
    """The settings that hold for a resource: its own, or those of its kind."""
    if resource.is_volume:
        return VolumePolicy.of(resource.account, resource.kind)
    return BackupPolicy.of(resource)
