"""What an account wants of disaster recovery, and how ready it was found."""

from __future__ import annotations

import uuid
from hashlib import sha256
from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from backups.models import Backup
from portal.models import Account, CloudAccount, Task, User


class RecoverySettings(models.Model):
    """What the account's administrators chose. An account without a row has the defaults.

    Where the secondary is, and whether replication is on, is on the account (`Account.dr_…`).
    """

    account = models.OneToOneField(
        Account, models.CASCADE, primary_key=True, related_name="recovery_settings"
    )
    target_rpo_hours = models.PositiveSmallIntegerField(
        "target recovery point (RPO)",
        default=24,
        validators=[MinValueValidator(1), MaxValueValidator(720)],
        help_text="How much work may be lost at most, in hours.",
    )
    post_session_backup = models.BooleanField("enable post-session backup", default=False)
    stops_server = models.BooleanField("stop server before post-session backup", default=False)

    class Meta:
        verbose_name_plural = "recovery settings"
        constraints = (
            models.CheckConstraint(
                condition=Q(stops_server=False) | Q(post_session_backup=True),
                name="stops_server_only_after_sessions",
            ),
            models.CheckConstraint(
                condition=Q(target_rpo_hours__range=(1, 720)), name="target_rpo_is_1_to_720_hours"
            ),
        )

    def __str__(self) -> str:
        return f"Recovery settings of {self.account}"

    @classmethod
    def of(cls, account: Account) -> RecoverySettings:
        """The settings of an account; unsaved defaults if none are."""
        return cls.objects.filter(account=account).first() or cls(account=account)

    @classmethod
    def fingerprint(cls, account: Account) -> str:
        """Changes whenever anything of the account's settings does: two tabs may save them."""
        chosen = cls.of(account)
        values = (
            account.dr_enabled, account.dr_cloud_account_id, account.dr_site,
            chosen.target_rpo_hours, chosen.post_session_backup, chosen.stops_server,
        )  # fmt: skip
        return sha256(repr(values).encode()).hexdigest()[:16]


class KeptBackups(models.Model):
    """How many good backups and replicas an account keeps, as a worker last counted them."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="kept")
    # By kind of resource: the numbers of `disaster_recovery.sites.Kept`, in its order.
    kinds = models.JSONField(default=dict)
    counted_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "kept backups"

    def __str__(self) -> str:
        return f"What {self.account} keeps"


class ReadinessCheckQuerySet(models.QuerySet["ReadinessCheck"]):
    def visible_to(self, user: User) -> ReadinessCheckQuerySet:
        """Checks of accounts the user may see."""
        return self.filter(account__in=Account.objects.visible_to(user))


class ReadinessCheck(models.Model):
    """One prerequisite of disaster recovery (R101 to R127): what was measured, when, how to mend.

    Each run replaces those of the run before.
    """

    # What heads the columns of ``rows``, by the check's key (R106, R121, R127).
    HEADS: ClassVar[dict[str, tuple[str, ...]]] = {
        "containers": ("Source vStore", "Destination vStore"),
        "containers_back": ("Source vStore", "Destination vStore"),
        "instance_types": ("Instance type", "Primary", "Secondary"),
        "vm_sizes": ("VM size", "Primary", "Secondary"),
        "quotas": ("Quota", "Used", "Limit", "Share"),
    }

    class State(models.TextChoices):
        PASSED = "passed", "Passed"
        WARNING = "warning", "Warning"
        FAILED = "failed", "Failed"

    account = models.ForeignKey(Account, models.CASCADE, related_name="readiness_checks")
    key = models.CharField(max_length=40)
    position = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=State.choices)
    measured = models.TextField(help_text="What was found.")
    advice = models.TextField(blank=True, help_text="How to mend it.")
    # Rows of two columns or more that belong to it: containers, sizes, quotas.
    rows = models.JSONField(default=list)
    checked_at = models.DateTimeField(default=timezone.now)

    objects = ReadinessCheckQuerySet.as_manager()

    class Meta:
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(fields=["account", "key"], name="readiness_is_checked_once"),
        )

    def __str__(self) -> str:
        return f"{self.title}: {self.get_state_display()}"

    @property
    def heads(self) -> tuple[str, ...]:
        """What heads the columns of its rows."""
        return self.HEADS.get(self.key, ())


class DiscrepancyQuerySet(models.QuerySet["Discrepancy"]):
    def visible_to(self, user: User) -> DiscrepancyQuerySet:
        """Those of accounts the user may see."""
        return self.filter(account__in=Account.objects.visible_to(user))

    def open(self) -> DiscrepancyQuerySet:
        """Those somebody should decide."""
        return self.filter(state=Discrepancy.State.OPEN)


class Discrepancy(models.Model):
    """What our records and a site do not agree about, until it is settled."""

    class Kind(models.TextChoices):
        MISSING_BACKUP = "missing_backup", "Backup missing at the cloud"
        MISSING_REPLICA = "missing_replica", "Replica missing at the cloud"
        COPY = "copy", "Unknown backup"
        REPLICA = "replica", "Unknown replica"
        LEFT_OVER = "left_over", "Left over"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        IGNORED = "ignored", "Ignored"
        ADOPTED = "adopted", "Adopted"
        DELETED = "deleted", "Deleted"
        GONE = "gone", "Gone by itself"

    UNKNOWN = (Kind.COPY, Kind.REPLICA, Kind.LEFT_OVER)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="discrepancies")
    cloud_account = models.ForeignKey(CloudAccount, models.CASCADE, related_name="+")
    site = models.CharField(max_length=100, blank=True)
    is_secondary = models.BooleanField(default=False)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    external_id = models.CharField(max_length=500)
    name = models.CharField(max_length=255)
    size_bytes = models.PositiveBigIntegerField(default=0)
    made_at = models.DateTimeField(null=True)
    # The thing as it was found (`portal.clouds.api.Marked`), to be removed or adopted.
    found = models.JSONField(default=dict)
    backup = models.ForeignKey(Backup, models.CASCADE, null=True, related_name="+")
    task = models.ForeignKey(Task, models.SET_NULL, null=True, related_name="+")
    found_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)

    objects = DiscrepancyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "discrepancies"
        ordering = ("kind", "name")
        constraints = (
            models.UniqueConstraint(
                fields=["account", "kind", "external_id"], name="discrepancy_is_there_once"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_unknown(self) -> bool:
        """Whether it is at the site and not in our records, and not the other way round."""
        return self.kind in self.UNKNOWN

    @property
    def may_adopt(self) -> bool:
        """Whether records can be made of it: its resource is known."""
        return self.kind in (self.Kind.COPY, self.Kind.REPLICA) and bool(self.found.get("resource"))
