"""Resource: one persistent thing that can be backed up (R001)."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from portal.models.clouds import CloudAccount
from portal.models.tenancy import Account, User

if TYPE_CHECKING:
    from portal.models.tasks import Task


# Stands where there is no time yet, before all others. As NULL it would need an index of another
# kind on each database for a list that is ordered by it.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class ResourceQuerySet(models.QuerySet["Resource"]):
    def visible_to(self, user: User) -> ResourceQuerySet:
        """Resources of accounts the user may see."""
        return self.filter(account__in=Account.objects.visible_to(user))

    def volumes(self) -> ResourceQuerySet:
        """What the Volumes page shows (R062): a desktop only while a user is assigned (R007)."""
        # A list, because SQLite searches no index for a column that stands alone.
        return self.filter(is_listed__in=[True])


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

    # Managed on the Volumes page (R062); the others are servers with a page of their own.
    VOLUME_KINDS = (Kind.PERSISTENT_DESKTOP, Kind.ENTERPRISE_PROFILE, Kind.PERSONAL_DRIVE)

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
    # Name of the machine that holds a profile or drive, or "" while it is detached.
    attached_to = models.CharField(max_length=255, blank=True)
    sort_name = models.GeneratedField(
        expression=Lower("name"), output_field=models.CharField(max_length=255), db_persist=True
    )
    # Whether the Volumes page shows it; an index that has this, kind and status counts them all.
    is_listed = models.GeneratedField(
        expression=models.Case(
            models.When(kind=Kind.PERSISTENT_DESKTOP, then=~Q(user_name="")),
            models.When(kind__in=VOLUME_KINDS, then=True),
            default=False,
        ),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    # Facts of the latest backup, so that no list looks for it among a million. They are written
    # by what changes a backup (`backups.facts`) and by nothing else.
    last_backup_id = models.UUIDField(null=True, editable=False)
    last_backup_status = models.CharField(max_length=10, blank=True, editable=False)
    last_backup_at = models.DateTimeField(default=NEVER, editable=False)
    last_good_id = models.UUIDField(null=True, editable=False)
    last_good_at = models.DateTimeField(default=NEVER, editable=False)
    # How the latest backup's replication stands; and the time of the newest backup of which the
    # secondary site has a complete replica.
    last_replication_status = models.CharField(max_length=12, blank=True, editable=False)
    last_replica_at = models.DateTimeField(default=NEVER, editable=False)

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
        indexes = (
            models.Index(fields=["account", "kind", "name"], name="resource_of_account"),
            # One for each way the Volumes page is ordered; the key makes a page's end exact.
            models.Index(
                fields=["account", "is_listed", "sort_name", "id"], name="resource_by_name"
            ),
            models.Index(
                fields=["account", "is_listed", "user_name", "id"], name="resource_by_user"
            ),
            models.Index(
                fields=["account", "is_listed", "size_bytes", "id"], name="resource_by_size"
            ),
            models.Index(
                fields=["account", "is_listed", "last_backup_at", "id"],
                name="resource_by_last_backup",
            ),
            models.Index(
                fields=["account", "is_listed", "kind", "last_backup_status"],
                name="resource_by_status",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_server(self) -> bool:
        """Whether it has a page of its own with a panel (Sandbox, Utility Server)."""
        return self.kind in {self.Kind.SANDBOX, self.Kind.UTILITY_SERVER}

    @property
    def is_volume(self) -> bool:
        """Whether it is managed on the Volumes page."""
        return self.kind in self.VOLUME_KINDS

    @property
    def is_desktop(self) -> bool:
        """Whether it is a machine of one user's: a volume to people, a server to the cloud."""
        return self.kind == self.Kind.PERSISTENT_DESKTOP

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


class ResourceWord(models.Model):
    """A word of a resource's name, user or id, in lower case.

    Search looks for words that begin with what was typed: the one kind of search for which both
    databases use an ordinary index.
    """

    # Both begin an index below.
    resource = models.ForeignKey(Resource, models.CASCADE, related_name="words", db_index=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    # On PostgreSQL its collation is "C" (the migration): a range of words is a prefix then.
    word = models.CharField(max_length=100)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["resource", "word"], name="word_is_there_once"),
        )
        indexes = (models.Index(fields=["account", "word", "resource"], name="word_of_account"),)

    def __str__(self) -> str:
        return self.word
