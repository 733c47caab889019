"""Task: one thing a person or the clock asked for. The row is the truth (engine README)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from portal.models.clouds import CloudAccount
from portal.models.resources import Resource
from portal.models.tenancy import Account, User

if TYPE_CHECKING:
    from datetime import timedelta


class TaskQuerySet(models.QuerySet["Task"]):
    def visible_to(self, user: User) -> TaskQuerySet:
        """Tasks of accounts and cloud accounts the user may see."""
        return self.filter(
            Q(account__in=Account.objects.visible_to(user))
            | Q(account=None, cloud_account__in=CloudAccount.objects.visible_to(user))
        )

    def on_top(self) -> TaskQuerySet:
        """What somebody asked for, without what that started in turn."""
        return self.filter(parent=None)

    def active(self) -> TaskQuerySet:
        """Tasks that have not ended."""
        return self.filter(state__in=Task.ACTIVE)

    def in_widget(self) -> TaskQuerySet:
        """What the header's widget shows: not ended, or ended and not acknowledged (R161)."""
        return self.filter(acknowledged_at=None)


class Task(models.Model):
    """A durable piece of work: its state, its step, what was learned, when it wakes next."""

    class State(models.TextChoices):
        """Names as the original shows them (R160)."""

        QUEUED = "queued", "Queued"  # waits for a place at its cloud account
        RUNNING = "running", "Running"  # its steps run, or wait for the cloud
        FAILING = "failing", "Failing"  # failed; cleaning up
        CANCELING = "canceling", "Canceling"  # cancelled; cleaning up
        DONE = "done", "Done"  # reached its goal
        FAILED = "failed", "Failed"  # did not, and has cleaned up
        CANCELED = "canceled", "Canceled"  # was stopped by a person, and has cleaned up

    ACTIVE = (State.QUEUED, State.RUNNING, State.FAILING, State.CANCELING)
    STARTED = (State.RUNNING, State.FAILING, State.CANCELING)

    class Origin(models.TextChoices):
        """What asked for it."""

        PERSON = "person", "Person"
        SCHEDULE = "schedule", "Schedule"
        SYSTEM = "system", "Standby"
        API = "api", "API key"

    # Somebody asked, and wants to know how it went.
    ASKED_FOR = (Origin.PERSON, Origin.API)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    subject = models.CharField(max_length=255, blank=True)
    # Both begin an index below; one of their own would only make inserting slower.
    account = models.ForeignKey(
        Account, models.PROTECT, null=True, related_name="tasks", db_index=False
    )
    cloud_account = models.ForeignKey(
        CloudAccount, models.PROTECT, null=True, related_name="tasks", db_index=False
    )
    # Where the steps run that say so: the secondary's cloud account. Places are counted at the
    # other one alone.
    other_cloud_account = models.ForeignKey(
        CloudAccount, models.PROTECT, null=True, related_name="+", db_index=False
    )
    resource = models.ForeignKey(Resource, models.PROTECT, null=True, related_name="tasks")
    # The task that started this one among many, and says how they went.
    parent = models.ForeignKey(
        "self", models.SET_NULL, null=True, related_name="children", db_index=False
    )
    # No other exclusive task may be active on the resource.
    is_exclusive = models.BooleanField(default=False)
    # Bytes travel between sites for hours: it takes none of the places of what people wait for.
    is_transfer = models.BooleanField(default=False)
    # The resource is in maintenance mode while this is active.
    is_maintenance = models.BooleanField(default=False)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.PERSON)
    requested_by = models.ForeignKey(
        User, models.SET_NULL, null=True, related_name="requested_tasks"
    )
    args = models.JSONField(default=dict)
    memory = models.JSONField(default=dict)
    steps = models.JSONField(default=list)

    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    step = models.CharField(max_length=64, blank=True)
    step_started_at = models.DateTimeField(null=True)
    operation = models.TextField(blank=True)
    attempts = models.PositiveIntegerField(default=0)
    crashes = models.PositiveIntegerField(default=0)
    percent = models.PositiveSmallIntegerField(default=0)
    message = models.TextField(blank=True)
    error = models.TextField(blank=True)
    error_detail = models.TextField(blank=True)
    advice = models.TextField(blank=True)

    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True)
    next_wake_at = models.DateTimeField(default=timezone.now)
    deadline_at = models.DateTimeField()

    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)

    objects = TaskQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["resource"],
                condition=Q(
                    is_exclusive=True, state__in=["queued", "running", "failing", "canceling"]
                ),
                name="one_active_task_per_resource",
            ),
        )
        indexes = (
            # Plain, not partial: SQLite uses no partial index for a bound parameter.
            models.Index(fields=["state", "next_wake_at"], name="task_is_due"),
            # Lists show what was asked for; what that started in turn, maybe ten thousand tasks,
            # is shown with it. So the parent, most often none, comes before the time.
            models.Index(fields=["account", "parent", "-created_at"], name="task_on_top"),
            models.Index(fields=["cloud_account", "-created_at"], name="task_of_cloud_account"),
            # The shell counts what is active on every page; an account may have years of tasks.
            models.Index(fields=["account", "state", "parent"], name="task_by_state"),
            # How a parent's children stand, and who may start next at a cloud account.
            models.Index(fields=["parent", "state"], name="task_of_parent"),
            models.Index(
                fields=["cloud_account", "state", "account", "created_at"], name="task_in_line"
            ),
            models.Index(
                fields=["account", "-created_at"],
                condition=Q(acknowledged_at=None),
                name="task_in_widget",
            ),
            # The purge goes by it through all accounts.
            models.Index(fields=["ended_at"], name="task_by_end"),
        )

    def __str__(self) -> str:
        return f"{self.title} {self.subject}".strip()

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE

    @property
    def token(self) -> str:
        """Names what this task makes at a cloud; the same on every repeat."""
        return self.id.hex

    @property
    def elapsed(self) -> timedelta:
        """Time from the start (or the request, while queued) to the end or to now."""
        return (self.ended_at or timezone.now()) - (self.started_at or self.created_at)

    @property
    def requester(self) -> str:
        """Who asked, as pages show it."""
        if self.origin != self.Origin.PERSON:
            return self.get_origin_display()
        return str(self.requested_by) if self.requested_by else "A former user"

    def step_record(self) -> dict[str, Any] | None:
        """The record of the step it stands in, if it has begun one."""
        return self.steps[-1] if self.steps else None
