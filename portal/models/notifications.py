"""The Notification Center: what happened to an account, seen or dismissed by each person alone."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Exists, OuterRef
from django.utils import timezone

from portal.models.tasks import Task
from portal.models.tenancy import Account, User


class NotificationQuerySet(models.QuerySet["Notification"]):
    def visible_to(self, user: User) -> NotificationQuerySet:
        """Notifications of accounts the user may see, dismissed or not."""
        return self.filter(account__in=Account.objects.visible_to(user))

    def not_dismissed_by(self, user: User) -> NotificationQuerySet:
        """Leave out what this person has dismissed; others still see it (R162)."""
        dismissed = Dismissal.objects.filter(notification=OuterRef("pk"), user=user)
        return self.filter(~Exists(dismissed))

    def unread_by(self, user: User, account: Account) -> NotificationQuerySet:
        """What the bell counts: this account's, newest not yet dismissed by the user."""
        return self.filter(account=account).not_dismissed_by(user)


class Notification(models.Model):
    class Level(models.TextChoices):
        INFO = "info", "Info"
        WARNING = "warning", "Warning"
        ERROR = "error", "Error"

    class Kind(models.TextChoices):
        """What it is about, as lists and alert rules choose by it; "" of those told before."""

        BACKUP = "backup", "Backups"
        RESTORE = "restore", "Restores"
        REPLICATION = "replication", "Replication"
        RECOVERY = "recovery", "Disaster recovery"
        SCHEDULE = "schedule", "Schedules"
        SESSION = "session", "Sessions"
        INVENTORY = "inventory", "Inventory"
        ALERT = "alert", "Alerts"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="notifications")
    level = models.CharField(max_length=8, choices=Level.choices)
    kind = models.CharField(max_length=20, choices=Kind.choices, blank=True, default="")
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    task = models.ForeignKey(Task, models.SET_NULL, null=True, related_name="notifications")
    created_at = models.DateTimeField(default=timezone.now)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(fields=["account", "-created_at"], name="notification_of_account"),
            models.Index(fields=["created_at"], name="notification_by_time"),
        )
        constraints = (
            # A task that ends twice because its worker died must not tell twice.
            models.UniqueConstraint(fields=["task", "title"], name="task_notifies_once"),
        )

    def __str__(self) -> str:
        return self.title


class Dismissal(models.Model):
    """One person no longer wants to see one notification."""

    notification = models.ForeignKey(Notification, models.CASCADE, related_name="dismissals")
    user = models.ForeignKey(User, models.CASCADE, related_name="dismissals")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["notification", "user"], name="dismissed_once"),
        )

    def __str__(self) -> str:
        return f"{self.user} dismissed {self.notification}"
