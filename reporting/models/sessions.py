"""Sessions of users, as their broker reports them; and how long users waited for a backup."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from portal.models import Account, Resource, Task, User


class SessionQuerySet(models.QuerySet["Session"]):
    def visible_to(self, user: User) -> SessionQuerySet:
        """Sessions of accounts the user may see."""
        return self.filter(account__in=Account.objects.visible_to(user))

    def live(self) -> SessionQuerySet:
        """Those not closed: the user may come back at any moment."""
        return self.filter(state__in=Session.LIVE)


class Session(models.Model):
    """One user at work on one machine, folded from its events in whatever order they came."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        DISCONNECTED = "disconnected", "Disconnected"
        CLOSED = "closed", "Closed"

    class CloseReason(models.TextChoices):
        """What ended it. A lost machine cannot be backed up."""

        LOGGED_OUT = "logged_out", "Logged out"
        CLOSED_BY_USER = "closed_by_user", "Closed by the user"
        INACTIVITY = "inactivity", "Inactivity"
        DISCONNECT_LIMIT = "disconnect_limit", "Limit after disconnect"
        MAXIMUM_LENGTH = "maximum_length", "Maximum length"
        ADMINISTRATOR = "administrator", "Closed by an administrator"
        VM_LOST = "vm_lost", "VM lost"

    LIVE = (State.ACTIVE, State.DISCONNECTED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Both begin an index below.
    account = models.ForeignKey(Account, models.CASCADE, related_name="sessions", db_index=False)
    session_id = models.CharField(max_length=100, help_text="The broker's.")
    state = models.CharField(max_length=12, choices=State.choices, default=State.ACTIVE)
    user_name = models.CharField(max_length=150)
    email = models.CharField(max_length=254, blank=True)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    identity_provider = models.CharField(max_length=100, blank=True)
    machine_id = models.CharField(max_length=500, blank=True)
    machine_name = models.CharField(max_length=255, blank=True)
    # The persistent server it runs on, if it is one.
    resource = models.ForeignKey(Resource, models.SET_NULL, null=True, related_name="sessions")
    launchpad = models.CharField(max_length=100, blank=True)
    application = models.CharField(max_length=100, blank=True)
    pool = models.CharField(max_length=100, blank=True)
    instance_type = models.CharField(max_length=100, blank=True)
    client_ip = models.CharField(max_length=45, blank=True)
    client_os = models.CharField(max_length=100, blank=True)
    browser = models.CharField(max_length=100, blank=True)
    distance_km = models.FloatField(null=True)
    average_latency_ms = models.FloatField(null=True)
    close_reason = models.CharField(max_length=20, choices=CloseReason.choices, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    # When a report last changed it: what has changed is counted again.
    changed_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SessionQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "session_id"], name="session_is_there_once"),
            models.CheckConstraint(
                condition=Q(state="closed", ended_at__isnull=False)
                | (~Q(state="closed") & Q(ended_at=None)),
                name="closed_session_has_end",
            ),
        )
        indexes = (
            models.Index(fields=["account", "-started_at", "-id"], name="session_of_account"),
            models.Index(fields=["account", "user_name", "state"], name="session_of_user"),
            models.Index(fields=["account", "changed_at"], name="session_by_change"),
            models.Index(fields=["account", "ended_at"], name="session_by_end"),
            # The purge goes by this through all accounts; so in the tables below.
            models.Index(fields=["ended_at"], name="session_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.user_name} on {self.machine_name or 'a machine'}"


class SessionEvent(models.Model):
    """One thing a broker reported: told twice, it is here once."""

    class Type(models.TextChoices):
        STARTED = "started", "Started"
        DISCONNECTED = "disconnected", "Disconnected"
        RECONNECTED = "reconnected", "Reconnected"
        CLOSED = "closed", "Closed"

    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    session = models.ForeignKey(Session, models.CASCADE, related_name="events")
    event_id = models.CharField(max_length=100, help_text="The broker's.")
    type = models.CharField(max_length=12, choices=Type.choices)
    close_reason = models.CharField(max_length=20, choices=Session.CloseReason.choices, blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("occurred_at", "pk")
        constraints = (
            models.UniqueConstraint(fields=["account", "event_id"], name="event_is_there_once"),
        )
        indexes = (models.Index(fields=["occurred_at"], name="event_by_age"),)

    def __str__(self) -> str:
        return f"{self.get_type_display()} {self.occurred_at:%Y-%m-%d %H:%M}"


class Wait(models.Model):
    """A user came back while something of theirs was being backed up, and waited (R166)."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    user_name = models.CharField(max_length=150)
    # What was waited for last: others may have come before it.
    task = models.ForeignKey(Task, models.SET_NULL, null=True, related_name="+")
    asked_at = models.DateTimeField()
    free_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "user_name"],
                condition=Q(free_at=None),
                name="user_waits_once_at_a_time",
            ),
        )
        indexes = (
            models.Index(fields=["account", "-asked_at"], name="wait_of_account"),
            models.Index(fields=["asked_at"], name="wait_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.user_name} from {self.asked_at:%Y-%m-%d %H:%M}"
