"""Cloud accounts: how we reach clusters and subscriptions, and what was found there."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from portal.clouds.api import Connection
from portal.clouds.kinds import KINDS
from portal.models.tenancy import (
    Customer,
    Infrastructure,
    Organization,
    Role,
    RoleGrant,
    User,
)
from portal.secret_field import SecretField


class CloudAccountQuerySet(models.QuerySet["CloudAccount"]):
    def visible_to(self, user: User) -> CloudAccountQuerySet:
        """Those an administrator within reach may list and use (R111, R112).

        Registered on a customer: its administrators and those of its organizations.
        Registered on an organization: that organization's administrators and the customer's.
        Account Administrators, support and auditors see none.
        """
        grants = RoleGrant.objects.filter(user=user)
        customers = grants.filter(role=Role.CUSTOMER_ADMINISTRATOR).values("customer")
        organizations = grants.filter(role=Role.ORGANIZATION_ADMINISTRATOR)
        return self.filter(
            Q(customer__in=customers)
            | Q(organization=None, customer__in=organizations.values("organization__customer"))
            | Q(organization__in=organizations.values("organization"))
        )

    def managed_by(self, user: User) -> CloudAccountQuerySet:
        """Those the user may change: the ones registered within their own scope."""
        grants = RoleGrant.objects.filter(user=user)
        customers = grants.filter(role=Role.CUSTOMER_ADMINISTRATOR).values("customer")
        organizations = grants.filter(role=Role.ORGANIZATION_ADMINISTRATOR).values("organization")
        return self.filter(Q(customer__in=customers) | Q(organization__in=organizations))

    def usable_by(self, organization: Organization) -> CloudAccountQuerySet:
        """Those an account of this organization can live on: its own, and its customer's."""
        return self.filter(
            Q(organization=organization) | Q(organization=None, customer=organization.customer_id)
        )


class CloudAccount(models.Model):
    """One Prism Element cluster, or one Azure subscription, with the credentials to reach it."""

    class Health(models.TextChoices):
        """What the last contact showed."""

        UNKNOWN = "unknown", "Not tested"
        REACHABLE = "reachable", "Reachable"
        UNREACHABLE = "unreachable", "Unreachable"
        REFUSED = "refused", "Sign-in refused"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="cloud_accounts")
    organization = models.ForeignKey(
        Organization,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="cloud_accounts",
        help_text="Empty: registered on the customer, for all its organizations.",
    )
    name = models.CharField(max_length=100)
    kind = models.CharField(
        max_length=10,
        choices=[(kind, Infrastructure(kind).label) for kind in KINDS],
        default=Infrastructure.AHV,
    )
    endpoint = models.URLField(help_text="https address of Prism Element, port included.")
    secrets = SecretField(default=dict)
    ca_pem = models.TextField("CA certificate", blank=True)
    max_tasks = models.PositiveSmallIntegerField(
        "tasks at a time", default=25, help_text="Tasks that may be under way here at once."
    )
    max_transfers = models.PositiveSmallIntegerField(
        "replications at a time",
        default=20,
        help_text="Copies that may be on their way to the secondary site at once.",
    )

    health = models.CharField(
        max_length=12, choices=Health.choices, default=Health.UNKNOWN, editable=False
    )
    health_detail = models.TextField(blank=True, editable=False)
    health_changed_at = models.DateTimeField(null=True, editable=False)
    last_answer_at = models.DateTimeField(null=True, editable=False)
    identity = models.CharField(max_length=200, blank=True, editable=False)
    version = models.CharField(max_length=100, blank=True, editable=False)
    # How full its storage is, whoever filled it; None where the cloud tells none (Azure).
    storage_used_bytes = models.PositiveBigIntegerField(null=True, editable=False)
    storage_capacity_bytes = models.PositiveBigIntegerField(null=True, editable=False)
    synced_at = models.DateTimeField(null=True, editable=False)
    # Nothing is asked of this cloud before then (Retry-After).
    busy_until = models.DateTimeField(null=True, editable=False)

    objects = CloudAccountQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["customer", "name"],
                name="cloud_account_name_is_unique_in_customer",
                violation_error_message="This customer already has a cloud account of that name.",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def connection(self) -> Connection:
        """Return what a driver needs. Holds the secrets: never log or store it."""
        return Connection(
            kind=self.kind,
            endpoint=self.endpoint,
            secrets=self.secrets,
            ca_pem=self.ca_pem,
            connect_timeout=settings.CLOUD_CONNECT_TIMEOUT_SECONDS,
            read_timeout=settings.CLOUD_READ_TIMEOUT_SECONDS,
            unacknowledged_timeout=settings.ENGINE_LEASE_SECONDS / 2,
        )


class InstanceType(models.Model):
    """A size of machine that administrators declare for a cluster, which has no list of its own.

    Those in use at a primary must exist at its secondary with equal values (R106).
    """

    cloud_account = models.ForeignKey(
        CloudAccount, models.CASCADE, related_name="instance_types", db_index=False
    )
    name = models.CharField(max_length=100)
    vcpus = models.PositiveIntegerField("vCPUs", validators=[MinValueValidator(1)])
    memory_mb = models.PositiveIntegerField("memory in MB", validators=[MinValueValidator(1)])

    class Meta:
        ordering = ("vcpus", "memory_mb", "name")
        constraints = (
            models.UniqueConstraint(
                fields=["cloud_account", "name"],
                name="instance_type_is_named_once",
                violation_error_message="This cloud account already has an instance type so named.",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.vcpus} vCPU · {self.memory_mb / 1024:g} GB"


class DiscoveredServer(models.Model):
    """A virtual machine seen at a cloud account, whether or not it is assigned to an account."""

    cloud_account = models.ForeignKey(CloudAccount, models.CASCADE, related_name="servers")
    external_id = models.CharField(max_length=500)
    name = models.CharField(max_length=255)
    power_state = models.CharField(max_length=10)
    vcpus = models.PositiveIntegerField(default=0)
    memory_mb = models.PositiveIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField(default=0)
    description = models.TextField(blank=True)
    site = models.CharField(max_length=100, blank=True, help_text="Region, on Azure.")
    vm_size = models.CharField("VM size", max_length=100, blank=True)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["cloud_account", "external_id"], name="server_is_discovered_once"
            ),
        )

    def __str__(self) -> str:
        return self.name
