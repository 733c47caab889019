"""Who may do what: roles granted and revoked, people invited by mail.

A person grants only roles within their own scope, and none above their own. Somebody
who already has a role at the same customer is granted at once; everybody else gets a
link by mail, so that the form tells nobody who has an account elsewhere.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Q, QuerySet
from django.template.loader import render_to_string
from django.utils import timezone

from portal.access import Permission, permissions
from portal.audit import Actor, record
from portal.models import (
    Account,
    Customer,
    Invitation,
    Organization,
    Role,
    RoleGrant,
    User,
)
from portal.models.tenancy import within
from portal.refusals import Refused
from portal.services import refusing_duplicates

TOKEN_BYTES = 32


@dataclass(frozen=True)
class Offer:
    """A role on a scope. ``value`` names it in forms."""

    role: Role
    scope: Customer | Organization | Account

    @property
    def level(self) -> str:
        """Which of the three kinds of scope."""
        return str(self.scope._meta.model_name)

    @property
    def value(self) -> str:
        return f"{self.role.value}:{self.level}"

    @property
    def label(self) -> str:
        return f"{self.role.label} of {self.scope} ({self.level})"


def offers(user: User, account: Account) -> list[Offer]:
    """Roles the user may grant from this account's Access page: none above their own."""
    organization = account.organization
    found: list[Offer] = []
    readers = (Role.SUPPORT, Role.AUDITOR)
    if Permission.MANAGE_ACCESS in permissions(user, account):
        found += [Offer(role, account) for role in (Role.ACCOUNT_ADMINISTRATOR, *readers)]
    if Organization.objects.administered_by(user).filter(pk=organization.pk).exists():
        found += [Offer(role, organization) for role in (Role.ORGANIZATION_ADMINISTRATOR, *readers)]
    customer = organization.customer
    if Customer.objects.administered_by(user).filter(pk=customer.pk).exists():
        found += [Offer(role, customer) for role in (Role.CUSTOMER_ADMINISTRATOR, *readers)]
    return found


def reaching(account: Account) -> Q:
    """Grants and invitations on this account, its organization or its customer."""
    organization = account.organization
    return Q(account=account) | Q(organization=organization) | Q(customer=organization.customer_id)


def grants_on(account: Account) -> QuerySet[RoleGrant]:
    """Every grant that reaches this account."""
    rows = RoleGrant.objects.filter(reaching(account))
    return rows.select_related("user", "account", "organization", "customer")


def people_of(scope: Customer | Organization) -> QuerySet[User]:
    """Everybody with a role on the customer or organization, or on anything below it."""
    if isinstance(scope, Customer):
        reach = within(scope)
    else:
        reach = Q(organization=scope) | Q(account__organization=scope)
    return User.objects.filter(pk__in=RoleGrant.objects.filter(reach).values("user"))


def open_invitations_on(account: Account) -> QuerySet[Invitation]:
    """Invitations to this account or above it whose link still works."""
    rows = Invitation.objects.filter(
        reaching(account), accepted_at=None, expires_at__gt=timezone.now()
    )
    return rows.select_related("invited_by", "account", "organization", "customer")


def may_revoke(grant: RoleGrant | Invitation, mine: list[Offer]) -> bool:
    """Whether a person with these offers could have given this role."""
    return Offer(Role(grant.role), grant.scope) in mine


@transaction.atomic
def grant_role(actor: Actor, user: User, *, role: Role, scope: object) -> RoleGrant:
    """Give a role. Callers have checked that it is theirs to give."""
    grant = RoleGrant(user=user, role=role, **_on(scope))
    with refusing_duplicates("This person already has that role here.", field="email"):
        grant.save(force_insert=True)
    record(actor, "access.grant", grant, role=role, email=user.email)
    return grant


def known_at(customer: Customer, email: str) -> User | None:
    """The person of that address, if they have a role anywhere at this customer."""
    here = RoleGrant.objects.filter(within(customer))
    return User.objects.filter(
        email=email.strip().lower(), is_active=True, pk__in=here.values("user")
    ).first()


@transaction.atomic
def revoke_role(actor: Actor, grant: RoleGrant) -> None:
    """Take a role away. Never the last Customer Administrator of a customer."""
    if grant.role == Role.CUSTOMER_ADMINISTRATOR and grant.customer:
        # The lock makes the count true when two of them remove each other at once.
        Customer.objects.select_for_update().get(pk=grant.customer.pk)
        others = RoleGrant.objects.filter(
            role=grant.role, customer=grant.customer, user__is_active=True
        )
        if not others.exclude(user=grant.user).exists():
            raise Refused(
                f"{grant.user} is the last Customer Administrator of {grant.customer}. "
                "Grant somebody else that role first."
            )
    record(actor, "access.revoke", grant, role=grant.role, email=grant.user.email)
    grant.delete()


@transaction.atomic
def invite(
    actor: Actor, *, email: str, role: Role, scope: object, address: str
) -> tuple[Invitation, str]:
    """Invite by mail; return the invitation and the link's token, of which only a hash is kept.

    ``address`` is the absolute address of the accept page with ``TOKEN`` in it.
    Asking again for the same role ends the earlier link.
    """
    email = email.strip().lower()
    token = secrets.token_urlsafe(TOKEN_BYTES)
    Invitation.objects.filter(email=email, role=role, accepted_at=None, **_on(scope)).delete()
    invitation = Invitation.objects.create(
        email=email,
        role=role,
        token_hash=hash_of(token),
        invited_by=actor.user,
        expires_at=timezone.now() + timedelta(days=settings.INVITATION_DAYS),
        **_on(scope),
    )
    record(actor, "access.invite", invitation, role=role, email=email)
    _send(invitation, address.replace("TOKEN", token))
    return invitation, token


def _send(invitation: Invitation, link: str) -> None:
    """Mail the link when the transaction has been committed."""
    context = {"invitation": invitation, "link": link, "days": settings.INVITATION_DAYS}
    subject = f"You are invited to {invitation.scope} in Standby"
    body = render_to_string("portal/invitation_email.txt", context)
    transaction.on_commit(lambda: send_mail(subject, body, None, [invitation.email]))


def hash_of(token: str) -> str:
    """What is kept of a link's token: sha256, enough for 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_invitation(token: str) -> Invitation | None:
    """The open invitation of this link; None when expired, used, revoked or made up."""
    rows = Invitation.objects.select_related("account", "organization", "customer", "invited_by")
    invitation = rows.filter(token_hash=hash_of(token)).first()
    return invitation if invitation and invitation.is_open else None


@transaction.atomic
def register(actor: Actor, invitation: Invitation, *, full_name: str, password: str) -> User:
    """Make the invited person and give the role. Refused if they exist or the link was used."""
    user = User(email=invitation.email, full_name=full_name)
    user.set_password(password)
    with refusing_duplicates("This address has an account already. Sign in to accept.", field=""):
        user.save(force_insert=True)
    accept(Actor(user, str(user), actor.source, actor.request_id), invitation)
    return user


@transaction.atomic
def accept(actor: Actor, invitation: Invitation) -> None:
    """Give the invited role to the signed-in person the invitation is for, once."""
    user = actor.user
    if user is None or user.email.lower() != invitation.email.lower():
        raise Refused(f"The invitation is for {invitation.email}.")
    used = Invitation.objects.filter(
        pk=invitation.pk, accepted_at=None, expires_at__gt=timezone.now()
    ).update(accepted_at=timezone.now())
    if not used:
        raise Refused("This invitation has been used, or has expired.")
    scope = _on(invitation.scope)
    RoleGrant.objects.get_or_create(user=user, role=invitation.role, **scope)
    record(actor, "access.accept", invitation, role=invitation.role)


@transaction.atomic
def revoke_invitation(actor: Actor, invitation: Invitation) -> None:
    """End a link that has not been used."""
    record(
        actor, "access.uninvite", invitation, role=invitation.role,
        email=invitation.email,
    )  # fmt: skip
    invitation.delete()


def _on(scope: object) -> dict[str, Any]:
    """A scope as the keyword of its column."""
    match scope:
        case Customer():
            return {"customer": scope}
        case Organization():
            return {"organization": scope}
        case Account():
            return {"account": scope}
    raise ValueError("a role is granted on a customer, an organization or an account")
