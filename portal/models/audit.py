"""The audit trail: append-only, who did what, when, from where (R163)."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from portal.models.tenancy import Account, Customer, Organization, User


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def visible_to(self, user: User) -> AuditQuerySet:
        """Entries about accounts the user may see."""
        return self.filter(account__in=Account.objects.visible_to(user))


class AuditEntry(models.Model):
    """One entry. Names are kept as text beside the keys, so that it still reads after they go."""

    class Result(models.TextChoices):
        REQUESTED = "requested", "Requested"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Failed"

    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(User, models.SET_NULL, null=True, related_name="audit_entries")
    actor_label = models.CharField(max_length=255)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    email = models.CharField(max_length=254, blank=True)
    # The id of the key by which a program asked for it.
    api_client = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=64)
    target_type = models.CharField(max_length=64, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    target_label = models.CharField(max_length=255, blank=True)
    result = models.CharField(max_length=10, choices=Result.choices, default=Result.DONE)
    customer = models.ForeignKey(Customer, models.SET_NULL, null=True, related_name="+")
    organization = models.ForeignKey(Organization, models.SET_NULL, null=True, related_name="+")
    account = models.ForeignKey(Account, models.SET_NULL, null=True, related_name="audit_entries")
    source = models.CharField(max_length=64, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    detail = models.JSONField(default=dict)

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = (
            models.Index(fields=["account", "-at"], name="audit_of_account"),
            models.Index(fields=["-at"], name="audit_by_time"),
            models.Index(fields=["target_type", "target_id", "-at"], name="audit_of_target"),
        )

    def __str__(self) -> str:
        return f"{self.actor_label}: {self.action} {self.target_label}".strip()
