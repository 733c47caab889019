"""Alerts: rules by which notifications leave the portal, and what came of each delivery.

A notification that a rule wants becomes an `AlertItem` in the transaction that writes it. Items
are gathered into deliveries, and a delivery is sent until it has arrived or is given up.
"""

from __future__ import annotations

import uuid
from datetime import time
from urllib.parse import urlsplit

from django.db import models
from django.db.models import Q
from django.utils import timezone

from portal.models import Account, Notification, User
from portal.secret_field import SecretField

# A person writes rules; more of them are a mistake, and each is looked at with each notification.
MOST_RULES = 20
MOST_RECIPIENTS = 20

Level = Notification.Level
SEVERITY = {Level.INFO: 0, Level.WARNING: 1, Level.ERROR: 2}


class AlertRule(models.Model):
    """Which notifications of an account are sent, when, and where to."""

    class Timing(models.TextChoices):
        AT_ONCE = "at_once", "At once"
        DAILY = "daily", "Daily digest"

    class Channel(models.TextChoices):
        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="alert_rules")
    name = models.CharField(max_length=100)
    is_paused = models.BooleanField(default=False)
    # Kinds of notification; none stands for all, those of later releases too.
    kinds = models.JSONField(default=list, blank=True)
    lowest_level = models.CharField(max_length=8, choices=Level.choices, default=Level.WARNING)
    timing = models.CharField(max_length=8, choices=Timing.choices, default=Timing.AT_ONCE)
    # Of a digest, in the account's time zone.
    digest_time = models.TimeField(default=time(8))
    next_digest_at = models.DateTimeField(null=True, editable=False)
    channel = models.CharField(max_length=8, choices=Channel.choices, default=Channel.EMAIL)
    recipients = models.JSONField(default=list, blank=True)
    url = models.CharField(max_length=500, blank=True)
    secret = SecretField(default=dict, editable=False)
    # The portal's own address, as the person saw it who saved the rule: links begin with it.
    portal_url = models.CharField(max_length=300)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "name"],
                name="alert_rule_name_is_unique",
                violation_error_message="This account already has a rule of that name.",
            ),
            models.CheckConstraint(
                condition=Q(timing="daily", next_digest_at__isnull=False)
                | Q(timing="at_once", next_digest_at=None),
                name="digest_has_next_time",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def wants(self, notification: Notification) -> bool:
        """Whether it is about this. What is said of alerts themselves never leaves the portal.

        Else a rule that reaches nobody would go on for ever.
        """
        if notification.kind == Notification.Kind.ALERT:
            return False
        is_severe = SEVERITY[Level(notification.level)] >= SEVERITY[Level(self.lowest_level)]
        return is_severe and (not self.kinds or notification.kind in self.kinds)

    @property
    def is_webhook(self) -> bool:
        return self.channel == self.Channel.WEBHOOK

    @property
    def goes_to(self) -> str:
        """Where to, in words. Of an address only the host: the rest may be a secret in itself."""
        if self.is_webhook:
            return urlsplit(self.url).hostname or "nowhere"
        return ", ".join(self.recipients)

    @property
    def subject_matter(self) -> str:
        """What it is about, in words."""
        kinds = [Notification.Kind(kind).label for kind in self.kinds]
        return ", ".join(kinds) if kinds else "Everything"


class AlertDelivery(models.Model):
    """One message of a rule: sent until it has arrived, or is given up after a day."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"  # to be sent, for the first time or again
        SENT = "sent", "Sent"  # the mail server or the receiver has taken it
        FAILED = "failed", "Given up"  # a day of attempts did not help
        CANCELED = "canceled", "Canceled"  # its rule was paused before it was sent

    # The receiver of a webhook drops one that it has by this id.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="deliveries", db_index=False)
    is_test = models.BooleanField(default=False)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    # Where it went: the rule may lead elsewhere by now.
    sent_to = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    # Who sends it now, and until when nobody else may.
    claim = models.UUIDField(null=True)
    claimed_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "alert deliveries"
        constraints = (
            models.CheckConstraint(
                condition=Q(state="waiting", next_attempt_at__isnull=False)
                | (~Q(state="waiting") & Q(next_attempt_at=None)),
                name="waiting_delivery_has_next_attempt",
            ),
        )
        indexes = (
            models.Index(fields=["rule", "-created_at"], name="delivery_of_rule"),
            models.Index(fields=["state", "next_attempt_at"], name="delivery_is_due"),
            models.Index(fields=["created_at"], name="delivery_by_time"),
        )

    def __str__(self) -> str:
        return f"{self.rule} {self.created_at:%Y-%m-%d %H:%M}"


class AlertItem(models.Model):
    """A notification on its way out by a rule, in its own words: it may be gone before the mail.

    Without a delivery until it is gathered into one.
    """

    # It begins the index below. Not held by the database: a rule that is deleted this moment must
    # not fail the task whose end is told. What is left over is pruned.
    rule = models.ForeignKey(
        AlertRule, models.CASCADE, related_name="items", db_index=False, db_constraint=False
    )
    delivery = models.ForeignKey(AlertDelivery, models.CASCADE, null=True, related_name="items")
    notification_id = models.UUIDField()
    kind = models.CharField(max_length=20, blank=True)
    level = models.CharField(max_length=8, choices=Level.choices)
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    entity = models.CharField(max_length=255, blank=True)
    task_id = models.UUIDField(null=True)
    told_at = models.DateTimeField()

    class Meta:
        ordering = ("told_at", "pk")
        constraints = (
            # A notification leaves once by each rule, whoever writes it down.
            models.UniqueConstraint(
                fields=["rule", "notification_id"], name="notification_leaves_once"
            ),
        )
        indexes = (models.Index(fields=["rule", "delivery"], name="alert_item_to_gather"),)

    def __str__(self) -> str:
        return self.title


class OverdueRun(models.Model):
    """A run of a schedule that was told not to have happened: told once."""

    policy = models.UUIDField()
    due_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["policy", "due_at"], name="overdue_run_is_told_once"),
        )
        indexes = (models.Index(fields=["created_at"], name="overdue_run_by_time"),)

    def __str__(self) -> str:
        return f"{self.policy} {self.due_at:%Y-%m-%d %H:%M}"
