"""Customer > Organization > Account, the people, and what they may reach."""

from __future__ import annotations

import uuid
import zoneinfo
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from portal.clouds.kinds import KINDS


class Infrastructure(models.TextChoices):
    """Where an account's machines live. Backups are made where a driver exists (R094)."""

    AHV = "ahv", "Nutanix AHV"
    AZURE = "azure", "Microsoft Azure"
    AWS = "aws", "Amazon Web Services"
    GCP = "gcp", "Google Cloud"


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a person who signs in by e-mail address (kept in lower case)."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a member of staff with every right in the Django admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person. What they may do in the portal comes from their grants alone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    full_name = models.CharField(max_length=150, blank=True)
    is_staff = models.BooleanField(default=False, help_text="May sign in to the Django admin.")
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = (
            models.UniqueConstraint(Lower("email"), name="user_email_is_unique_in_any_case"),
        )

    def __str__(self) -> str:
        return self.full_name or self.email

    @property
    def initials(self) -> str:
        """Two letters for the avatar."""
        words = (self.full_name or self.email).replace("@", " ").replace(".", " ").split()
        return "".join(word[0] for word in words[:2]).upper()


class CustomerQuerySet(models.QuerySet["Customer"]):
    def administered_by(self, user: User) -> CustomerQuerySet:
        """Customers of which the user is a Customer Administrator."""
        grants = RoleGrant.objects.filter(user=user, role=Role.CUSTOMER_ADMINISTRATOR)
        return self.filter(pk__in=grants.values("customer"))


class Customer(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    requires_two_factor = models.BooleanField(
        "two-factor sign-in required", default=False, db_default=False
    )

    objects = CustomerQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


def within(customer: Customer) -> Q:
    """Rows with a scope that are on the customer, or on anything below it."""
    return (
        Q(customer=customer)
        | Q(organization__customer=customer)
        | Q(account__organization__customer=customer)
    )


class OrganizationQuerySet(models.QuerySet["Organization"]):
    def administered_by(self, user: User) -> OrganizationQuerySet:
        """Organizations the user administers, directly or through the customer."""
        grants = RoleGrant.objects.filter(user=user)
        direct = grants.filter(role=Role.ORGANIZATION_ADMINISTRATOR).values("organization")
        above = grants.filter(role=Role.CUSTOMER_ADMINISTRATOR).values("customer")
        return self.filter(Q(pk__in=direct) | Q(customer__in=above))


class Organization(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="organizations")
    name = models.CharField(max_length=100)

    objects = OrganizationQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["customer", "name"],
                name="organization_name_is_unique_in_customer",
                violation_error_message="This customer already has an organization of that name.",
            ),
        )

    def __str__(self) -> str:
        return self.name


class AccountQuerySet(models.QuerySet["Account"]):
    def living(self) -> AccountQuerySet:
        """Accounts nobody has asked to terminate: of the others the portal knows no more."""
        return self.filter(terminating_at=None)

    def visible_to(self, user: User) -> AccountQuerySet:
        """Accounts that any grant of the user reaches."""
        grants = RoleGrant.objects.filter(user=user)
        return self.living().filter(
            Q(pk__in=grants.exclude(account=None).values("account"))
            | Q(organization__in=grants.exclude(organization=None).values("organization"))
            | Q(organization__customer__in=grants.exclude(customer=None).values("customer"))
        )


def validate_time_zone(value: str) -> None:
    """Refuse anything that is not an IANA zone name."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError("Choose a time zone of the list, such as Europe/London.")


class Account(models.Model):
    """One virtual-desktop account on one infrastructure."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="accounts")
    name = models.CharField(max_length=100)
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    is_domain_joined = models.BooleanField("domain-joined", default=False)
    infrastructure = models.CharField(
        max_length=10, choices=Infrastructure.choices, default=Infrastructure.AHV
    )
    cloud_account = models.ForeignKey(
        "portal.CloudAccount", models.PROTECT, null=True, blank=True, related_name="accounts"
    )
    site = models.CharField(
        max_length=100,
        blank=True,
        help_text="Cluster or region in which the account's machines live.",
    )
    # Raised or lowered by staff alone, on a support request (R016, R017).
    publish_retention = models.PositiveSmallIntegerField(
        "publish backups retained",
        default=2,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # From the request on nothing new begins. Once it is terminated, what is left of the row is a
    # name on records that are kept for their time; the purge takes it away with the last of them.
    terminating_at = models.DateTimeField(null=True, editable=False)
    terminated_at = models.DateTimeField(null=True, editable=False)
    # The vendor's own infrastructure has no second site of the customer's (R101).
    is_vendor_hosted = models.BooleanField("on the vendor's infrastructure", default=False)

    # Disaster recovery, as its configuration task left it; written by nothing else.
    dr_enabled = models.BooleanField("disaster recovery", default=False, editable=False)
    dr_cloud_account = models.ForeignKey(
        "portal.CloudAccount",
        models.PROTECT,
        null=True,
        editable=False,
        related_name="secondary_accounts",
        help_text="Backup cloud account: the secondary cluster, or the same subscription.",
    )
    # The secondary cluster's name, or the region.
    dr_site = models.CharField(max_length=100, blank=True, editable=False)
    # By which the clusters know each other (AHV: the Remote Sites), from here and from there.
    dr_link = models.CharField(max_length=100, blank=True, editable=False)
    dr_link_back = models.CharField(max_length=100, blank=True, editable=False)
    # How fast each of them may send, as found last (R117): "there" and "back" of
    # `portal.clouds.api.Bandwidth`, each missing where nothing limits.
    dr_throttles = models.JSONField(default=dict, db_default={}, blank=True, editable=False)

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["organization", "name"],
                # The name of a terminated one may be used again.
                condition=Q(terminated_at=None),
                name="account_name_is_unique_in_organization",
                violation_error_message="This organization already has an account of that name.",
            ),
            models.CheckConstraint(
                condition=Q(dr_enabled=False) | Q(dr_cloud_account__isnull=False),
                name="disaster_recovery_has_a_secondary",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_supported(self) -> bool:
        """Whether a driver exists for its infrastructure: none does for AWS and GCP (R094)."""
        return self.infrastructure in KINDS

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The account's time zone, for showing times."""
        return zoneinfo.ZoneInfo(self.time_zone)


class Role(models.TextChoices):
    """What a person is to a scope. Names as the product documentation has them (R110, R165)."""

    CUSTOMER_ADMINISTRATOR = "customer_administrator", "Customer Administrator"
    ORGANIZATION_ADMINISTRATOR = "organization_administrator", "Organization Administrator"
    ACCOUNT_ADMINISTRATOR = "account_administrator", "Account Administrator"
    SUPPORT = "support", "Customer Support"
    AUDITOR = "auditor", "Customer Auditor"


# The one kind of scope an administrator's role may be granted on; the others take any.
SCOPE_OF_ROLE = {
    Role.CUSTOMER_ADMINISTRATOR: "customer",
    Role.ORGANIZATION_ADMINISTRATOR: "organization",
    Role.ACCOUNT_ADMINISTRATOR: "account",
}


class ScopedRole(models.Model):
    """A role on exactly one customer, organization or account."""

    role = models.CharField(max_length=30, choices=Role.choices)
    customer = models.ForeignKey(
        Customer, models.CASCADE, null=True, blank=True, related_name="%(class)ss"
    )
    organization = models.ForeignKey(
        Organization, models.CASCADE, null=True, blank=True, related_name="%(class)ss"
    )
    account = models.ForeignKey(
        Account, models.CASCADE, null=True, blank=True, related_name="%(class)ss"
    )

    class Meta:
        abstract = True

    @property
    def scope(self) -> Customer | Organization | Account:
        """The one thing this role is granted on."""
        scope = self.customer or self.organization or self.account
        if scope is None:
            raise ValueError("a role without a scope")
        return scope

    def clean(self) -> None:
        """Refuse a role on the wrong kind of scope, or on none, or on several."""
        given = [name for name in ("customer", "organization", "account") if getattr(self, name)]
        if len(given) != 1:
            raise ValidationError("Choose exactly one customer, organization or account.")
        wanted = SCOPE_OF_ROLE.get(Role(self.role))
        if wanted and wanted != given[0]:
            raise ValidationError(f"{Role(self.role).label} is granted on one {wanted}.")


EXACTLY_ONE_SCOPE = (
    Q(customer__isnull=False, organization__isnull=True, account__isnull=True)
    | Q(customer__isnull=True, organization__isnull=False, account__isnull=True)
    | Q(customer__isnull=True, organization__isnull=True, account__isnull=False)
)


class RoleGrant(ScopedRole):
    """(user, role, scope): the only source of rights in the portal."""

    user = models.ForeignKey(User, models.CASCADE, related_name="grants")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Given for a group of the identity provider, and taken away with it; never one given by hand.
    by_group = models.BooleanField("by group", default=False, db_default=False, editable=False)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=EXACTLY_ONE_SCOPE, name="grant_has_one_scope"),
            *(
                models.UniqueConstraint(
                    fields=["user", "role", scope],
                    condition=Q(**{f"{scope}__isnull": False}),
                    name=f"role_on_{scope}_is_granted_once",
                    violation_error_message="This person already has that role here.",
                )
                for scope in ("customer", "organization", "account")
            ),
        )

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()} of {self.scope}"


class Invitation(ScopedRole):
    """A role offered by mail. Only a hash of the link is kept."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField()
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="invitations")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=EXACTLY_ONE_SCOPE, name="invitation_has_one_scope"),
        )

    def __str__(self) -> str:
        return f"{self.email}: {self.get_role_display()} of {self.scope}"

    @property
    def is_open(self) -> bool:
        """Whether the link can still be used."""
        return self.accepted_at is None and self.expires_at > timezone.now()
