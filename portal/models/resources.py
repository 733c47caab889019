"""Resource: one persistent thing that can be backed up (R001)."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from portal.models.clouds import CloudAccount
from portal.models.tenancy import Account, User

if TYPE_CHECKING:
    from portal.models.tasks import Task


class ResourceQuerySet(models.QuerySet["Resource"]):
    def visible_to(self, user: User) -> ResourceQuerySet:
        """Resources of accounts the user may see."""
        return self.filter(account__in=Account.objects.visible_to(user))


class Resource(models.Model):
    """Mirrors a machine or volume at the cloud, assigned to an account as one of five kinds.

    Maintenance mode is not stored: a resource is in it exactly while a task that
    takes it out of service is active, so it can never outlast the task (R022, R023).
    """

    class Kind(models.TextChoices):
        """The five persistent kinds; nothing else has a backup action (R001)."""

        SANDBOX = "sandbox", "Sandbox"
        UTILITY_SERVER = "utility_server", "Utility Server"
        PERSISTENT_DESKTOP = "persistent_desktop", "Persistent Desktop"
        ENTERPRISE_PROFILE = "enterprise_profile", "Enterprise Profile"
        PERSONAL_DRIVE = "personal_drive", "Personal Drive"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.PROTECT, related_name="resources")
    cloud_account = models.ForeignKey(CloudAccount, models.PROTECT, related_name="resources")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    external_id = models.CharField(max_length=500)
    name = models.CharField(max_length=255)
    user_name = models.CharField(max_length=150, blank=True)
    power_state = models.CharField(max_length=10, blank=True)
    power_changed_at = models.DateTimeField(null=True, blank=True)
    vcpus = models.PositiveIntegerField(default=0)
    memory_mb = models.PositiveIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField(default=0)
    vm_size = models.CharField("VM size", max_length=100, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    is_missing = models.BooleanField(
        default=False, help_text="The last inventory did not find it at the cloud."
    )

    objects = ResourceQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(kind="sandbox"),
                name="account_has_one_sandbox",
                violation_error_message="This account already has a Sandbox.",
            ),
            models.UniqueConstraint(
                fields=["account", "kind", "user_name"],
                condition=Q(kind__in=["enterprise_profile", "personal_drive"]),
                name="user_has_one_volume_of_a_kind",
                violation_error_message="This user already has a volume of that kind.",
            ),
            models.UniqueConstraint(
                fields=["cloud_account", "external_id"],
                name="machine_is_assigned_once",
                violation_error_message="This machine is already assigned.",
            ),
        )
        indexes = (models.Index(fields=["account", "kind", "name"], name="resource_of_account"),)

    def __str__(self) -> str:
        return self.name

    @property
    def is_server(self) -> bool:
        """Whether it has a page of its own with a panel (Sandbox, Utility Server)."""
        return self.kind in {self.Kind.SANDBOX, self.Kind.UTILITY_SERVER}

    @property
    def is_on(self) -> bool:
        return self.power_state == "on"

    @property
    def instance_type(self) -> str:
        """Size as administrators know it: ``AHV 4 vCPU · 16 GB``, on Azure with its name."""
        infrastructure = "AHV" if self.account.infrastructure == "ahv" else "Azure"
        name = f"{self.vm_size} ·" if self.vm_size else infrastructure
        return f"{name} {self.vcpus} vCPU · {self.memory_mb / 1024:g} GB"

    def active_task(self) -> Task | None:
        """The exclusive task under way on this resource, if any."""
        from portal.models.tasks import Task  # models of one package, mutual by nature

        return Task.objects.active().filter(resource=self, is_exclusive=True).first()
