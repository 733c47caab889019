"""Keys by which programs call the API: a role on one customer, organization or account."""

from __future__ import annotations

import uuid

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from portal.access import RIGHTS, Permission
from portal.models import Account, Customer, Organization, Role, User
from portal.secret_field import SecretField

SESSION_BROKER = "session_broker"


class ApiKey(models.Model):
    """What a program signs in with; its id is the client id. The secret is shown once.

    A bearer secret is kept as a hash. One that signs requests has to be known to check the
    signature, so it is kept encrypted. Each key is good for its own manner alone.
    """

    class Manner(models.TextChoices):
        BEARER = "bearer", "Bearer token"
        SIGNED = "signed", "Signed requests"

    ROLES = (*Role.choices, (SESSION_BROKER, "Session broker"))

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    role = models.CharField(max_length=30, choices=ROLES)
    manner = models.CharField(max_length=10, choices=Manner.choices)
    customer = models.ForeignKey(
        Customer, models.CASCADE, null=True, blank=True, related_name="api_keys"
    )
    organization = models.ForeignKey(
        Organization, models.CASCADE, null=True, blank=True, related_name="api_keys"
    )
    account = models.ForeignKey(
        Account, models.CASCADE, null=True, blank=True, related_name="api_keys"
    )
    secret = SecretField(default=dict, editable=False)
    secret_hash = models.CharField(max_length=64, blank=True, editable=False)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    # The minute it asked in last, in minutes since 1970, and how often it did in that minute.
    rate_minute = models.PositiveBigIntegerField(default=0, editable=False)
    rate_count = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = "API key"
        constraints = (
            models.CheckConstraint(
                condition=(
                    Q(customer__isnull=False, organization=None, account=None)
                    | Q(customer=None, organization__isnull=False, account=None)
                    | Q(customer=None, organization=None, account__isnull=False)
                ),
                name="key_has_one_scope",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.get_role_display()} of {self.scope}"

    @property
    def scope(self) -> Customer | Organization | Account:
        """The one thing it is good for."""
        scope = self.customer or self.organization or self.account
        if scope is None:
            raise ValidationError("a key without a scope")
        return scope

    @property
    def permissions(self) -> frozenset[Permission]:
        """What it may do within its scope."""
        if self.role == SESSION_BROKER:
            return frozenset({Permission.REPORT_SESSIONS})
        return RIGHTS[self.role]

    def accounts(self) -> models.QuerySet[Account]:
        """The accounts within its scope."""
        accounts = Account.objects.living().select_related("organization__customer")
        if self.account_id:
            return accounts.filter(pk=self.account_id)
        if self.organization_id:
            return accounts.filter(organization=self.organization_id)
        return accounts.filter(organization__customer=self.customer_id)

    def organizations(self) -> models.QuerySet[Organization]:
        """The organizations within its scope, or the one its account belongs to."""
        if self.customer_id:
            return Organization.objects.filter(customer=self.customer_id)
        if self.organization_id:
            return Organization.objects.filter(pk=self.organization_id)
        return Organization.objects.filter(accounts=self.account_id)


class ApiRequest(models.Model):
    """A request that named itself (``Idempotency-Key``), and the task it has started.

    The task is no foreign key: this row goes with its key or after a day, whatever becomes of it.
    """

    key = models.ForeignKey(ApiKey, models.CASCADE, related_name="requests")
    name = models.CharField(max_length=100)
    # Of what was asked: the same name for something else is refused.
    digest = models.CharField(max_length=64)
    task = models.UUIDField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "API request"
        constraints = (
            models.UniqueConstraint(fields=["key", "name"], name="request_is_named_once"),
        )

    def __str__(self) -> str:
        return f"{self.name} of {self.key_id}"
