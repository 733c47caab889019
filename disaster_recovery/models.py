"""What an account wants of disaster recovery, and how ready it was found."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from portal.models import Account, User


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


class ReadinessCheckQuerySet(models.QuerySet["ReadinessCheck"]):
    def visible_to(self, user: User) -> ReadinessCheckQuerySet:
        """Checks of accounts the user may see."""
        return self.filter(account__in=Account.objects.visible_to(user))


class ReadinessCheck(models.Model):
    """One prerequisite of disaster recovery (R101 to R127): what was measured, when, how to mend.

    Each run replaces those of the run before.
    """

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
