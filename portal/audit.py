"""Writing the audit trail. Services call `record` in the transaction of the change it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import models
from django.http import HttpRequest

from portal.models import (
    Account,
    AuditEntry,
    CloudAccount,
    Customer,
    Organization,
    Resource,
    Task,
    User,
)

Result = AuditEntry.Result


@dataclass(frozen=True)
class Actor:
    """Who acts, and from where: what every service that changes something is given."""

    user: User | None
    label: str
    source: str = ""
    request_id: str = ""
    # The id of the API key, where it is one that acts.
    api_client: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> Actor:
        """The signed-in person behind a request."""
        user = request.user if isinstance(request.user, User) else None
        label = str(user) if user else "Nobody"
        return cls(user, label, client_address(request), getattr(request, "id", ""))


SYSTEM = Actor(None, "Standby", "system")


def client_address(request: HttpRequest) -> str:
    """Return the client's IP. X-Forwarded-For counts only behind the proxy we trust (README)."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    if settings.TRUSTED_PROXY_COUNT and hops:
        return hops[-settings.TRUSTED_PROXY_COUNT][:64]
    return str(request.META.get("REMOTE_ADDR", ""))[:64]


def record(
    actor: Actor,
    action: str,
    target: models.Model | None = None,
    *,
    account: Account | None = None,
    result: str = Result.DONE,
    label: str = "",
    **detail: Any,
) -> AuditEntry:
    """Append an entry. ``action`` is dotted, object first. No secrets in ``detail``."""
    account = account or _account_of(target)
    customer, organization = _branch_of(target, account)
    return AuditEntry.objects.create(
        actor=actor.user,
        actor_label=actor.label[:255],
        **names_of(actor.user),
        api_client=actor.api_client,
        action=action,
        target_type=target._meta.model_name or "" if target else "",
        target_id=str(target.pk) if target else "",
        target_label=(label or (str(target) if target else ""))[:255],
        result=result,
        customer=customer,
        organization=organization,
        account=account,
        source=actor.source,
        request_id=actor.request_id,
        detail=detail,
    )


def names_of(user: User | None) -> dict[str, str]:
    """A person's names as they are now; the last word of the full name is the last name."""
    if user is None:
        return {}
    first, _, last = user.full_name.strip().rpartition(" ")
    if not first:
        first, last = last, ""
    return {"first_name": first, "last_name": last, "email": user.email}


def _account_of(target: models.Model | None) -> Account | None:
    if isinstance(target, Account):
        return target
    if isinstance(target, Resource | Task):
        return target.account
    found = getattr(target, "account", None)
    return found if isinstance(found, Account) else None


def _branch_of(
    target: models.Model | None, account: Account | None
) -> tuple[Customer | None, Organization | None]:
    if account:
        return account.organization.customer, account.organization
    if isinstance(target, Task):
        target = target.cloud_account
    if isinstance(target, CloudAccount):
        return target.customer, target.organization
    if isinstance(target, Organization):
        return target.customer, target
    if isinstance(target, Customer):
        return target, None
    organization = getattr(target, "organization", None)
    customer = getattr(target, "customer", None)
    if isinstance(organization, Organization):
        return organization.customer, organization
    return (customer if isinstance(customer, Customer) else None), None
