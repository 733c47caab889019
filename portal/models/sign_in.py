"""How people sign in: their sessions, who they are elsewhere, and what groups there stand for."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import QuerySet
from django.utils import timezone

from portal.models.tenancy import EXACTLY_ONE_SCOPE, Customer, ScopedRole, User, within


class UserSession(models.Model):
    """One browser in which a person is signed in; goes when the session ends.

    Beside Django's own row, which can be read by nobody but its session.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions")
    session_key = models.CharField(max_length=40, unique=True, editable=False)
    began_at = models.DateTimeField(default=timezone.now)
    # To the minute: a write for each page would cost more than it tells.
    seen_at = models.DateTimeField(default=timezone.now)
    address = models.CharField(max_length=64, blank=True)
    agent = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.device}, {self.address}"

    @property
    def device(self) -> str:
        """Browser and system as a person would name them, by what the browser says of itself."""
        browser = next((name for mark, name in _BROWSERS if mark in self.agent), "")
        system = next((name for mark, name in _SYSTEMS if mark in self.agent), "")
        return " on ".join(filter(None, (browser, system))) or "Unknown device"


# The first that fits: most call themselves by the names of others too.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrom", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


class ExternalIdentity(models.Model):
    """Who a person is at an identity provider: issuer and subject, never the address alone.

    Addresses are given to other people, and whoever runs a provider can put any into a token.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    connected_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "external identities"
        constraints = (
            models.UniqueConstraint(fields=["issuer", "subject"], name="identity_is_one_persons"),
            models.UniqueConstraint(fields=["user", "issuer"], name="person_has_one_identity"),
        )

    def __str__(self) -> str:
        return f"{self.user} at {self.issuer}"


class GroupMappingQuerySet(QuerySet["GroupMapping"]):
    def of_customer(self, customer: Customer) -> GroupMappingQuerySet:
        """Those on the customer, or on anything below it."""
        return self.filter(within(customer))


class GroupMapping(ScopedRole):
    """A role that whoever is in a group of the identity provider has, as long as they are."""

    claim = models.CharField(max_length=100, default="groups")
    group = models.CharField(max_length=255)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = GroupMappingQuerySet.as_manager()

    class Meta:
        constraints = (
            models.CheckConstraint(condition=EXACTLY_ONE_SCOPE, name="mapping_has_one_scope"),
            *(
                models.UniqueConstraint(
                    fields=["claim", "group", "role", scope],
                    condition=models.Q(**{f"{scope}__isnull": False}),
                    name=f"group_is_mapped_once_to_{scope}",
                    violation_error_message="This group has that role there already.",
                )
                for scope in ("customer", "organization", "account")
            ),
        )

    def __str__(self) -> str:
        return f"{self.group}: {self.get_role_display()} of {self.scope}"
