"""People who sign in with the identity provider, and the roles their groups stand for.

A person is known by issuer and subject. Whoever is new is made only if a group of theirs has a
role, and never in the place of somebody who is here already: an address proves nothing. Roles
by group are given and taken at each sign-in; one given by hand is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from portal.audit import Actor, record
from portal.identity_provider import Person
from portal.models import (
    Account,
    Customer,
    ExternalIdentity,
    GroupMapping,
    Organization,
    Role,
    RoleGrant,
    User,
)
from portal.refusals import Refused
from portal.services import refusing_duplicates

Scope = Customer | Organization | Account


@dataclass(frozen=True)
class _Held:
    """A role on a scope, as rows of mappings and grants have it."""

    role: str
    customer: Any
    organization: Any
    account: Any

    @classmethod
    def of(cls, row: GroupMapping | RoleGrant) -> _Held:
        return cls(row.role, row.customer_id, row.organization_id, row.account_id)


@transaction.atomic
def come_in(actor: Actor, person: Person) -> User:
    """Return the one to sign in, with the roles of today's groups. Refused if it is nobody."""
    if not person.email or not person.is_email_verified:
        raise Refused("The identity provider has not verified your address.")
    identity = (
        ExternalIdentity.objects.select_related("user")
        .filter(issuer=person.issuer, subject=person.subject)
        .first()
    )
    mappings = _mappings_of(person)
    user = identity.user if identity else _made(actor, person, mappings)
    if not user.is_active:
        raise Refused("This user is switched off. An administrator can switch it on again.")
    ExternalIdentity.objects.filter(user=user, issuer=person.issuer).update(
        last_used_at=timezone.now()
    )
    _settle(Actor(user, str(user), actor.source, actor.request_id), user, mappings)
    return user


def _mappings_of(person: Person) -> list[GroupMapping]:
    """What today's groups stand for; an account that is being terminated is left out."""
    rows = GroupMapping.objects.select_related("customer", "organization", "account")
    groups = {claim: person.groups(claim) for claim in set(rows.values_list("claim", flat=True))}
    return [
        row
        for row in rows.order_by("pk")
        if row.group in groups[row.claim] and not (row.account and row.account.terminating_at)
    ]


def _made(actor: Actor, person: Person, mappings: list[GroupMapping]) -> User:
    """Make somebody new."""
    if User.objects.filter(email=person.email).exists():
        raise Refused(
            "Somebody signs in here with your address already. If it is you, sign in as before "
            "and connect the two on your Security page."
        )
    if not mappings:
        raise Refused(
            "Nobody has given you, or a group of yours, a role here. Ask your administrator."
        )
    user = User(email=person.email, full_name=person.full_name)
    user.set_unusable_password()
    with refusing_duplicates("Somebody signs in here with your address already.", field=""):
        user.save(force_insert=True)
    _connect(Actor(user, str(user), actor.source, actor.request_id), user, person)
    return user


def _settle(actor: Actor, user: User, mappings: list[GroupMapping]) -> None:
    """Give what today's groups stand for, and take away what only earlier ones did."""
    # The lock makes one of two sign-ins at once come after the other.
    User.objects.select_for_update().get(pk=user.pk)
    grants = RoleGrant.objects.filter(user=user).select_related(
        "customer", "organization", "account"
    )
    wanted = {_Held.of(row): row for row in mappings}
    held = set()
    for grant in grants:
        if grant.by_group and _Held.of(grant) not in wanted:
            record(actor, "access.revoke", grant, role=grant.role, email=user.email, by="group")
            grant.delete()
        else:
            held.add(_Held.of(grant))
    for key, row in wanted.items():
        if key not in held:
            _give(actor, user, row)


def _give(actor: Actor, user: User, row: GroupMapping) -> None:
    grant = RoleGrant.objects.create(
        user=user,
        role=row.role,
        by_group=True,
        customer=row.customer,
        organization=row.organization,
        account=row.account,
    )
    record(
        actor, "access.grant", grant, role=row.role, email=user.email, by="group", group=row.group
    )


def _connect(actor: Actor, user: User, person: Person) -> None:
    with refusing_duplicates("This identity belongs to another user already.", field=""):
        ExternalIdentity.objects.create(user=user, issuer=person.issuer, subject=person.subject)
    record(actor, "user.connect_identity", user, issuer=person.issuer, subject=person.subject)


@transaction.atomic
def connect(actor: Actor, user: User, person: Person) -> None:
    """Let the signed-in person sign in with this identity too. Refused if it is another's."""
    if ExternalIdentity.objects.filter(user=user, issuer=person.issuer).exists():
        raise Refused("You have connected an identity already. Remove it first.")
    _connect(actor, user, person)


@transaction.atomic
def disconnect(actor: Actor, identity: ExternalIdentity) -> None:
    """Take an identity away, and the roles of its groups.

    Refused if nothing else would be left to sign in with.
    """
    if not identity.user.has_usable_password():
        raise Refused("You have no password; without this you could not sign in any more.")
    record(actor, "user.disconnect_identity", identity.user, issuer=identity.issuer)
    _settle(actor, identity.user, [])
    identity.delete()


@transaction.atomic
def map_group(actor: Actor, *, claim: str, group: str, role: Role, scope: Scope) -> GroupMapping:
    """Give a role to a group. Callers have checked that the scope is theirs."""
    mapping = GroupMapping(
        claim=claim, group=group, role=role, **{str(scope._meta.model_name): scope}
    )
    with refusing_duplicates("This group has that role there already.", field="group"):
        mapping.save(force_insert=True)
    record(actor, "access.map_group", mapping, claim=claim, group=group, role=role)
    return mapping


@transaction.atomic
def unmap_group(actor: Actor, mapping: GroupMapping) -> None:
    """Take the role from the group; whoever has it by that loses it at the next sign-in."""
    record(
        actor, "access.unmap_group", mapping,
        claim=mapping.claim, group=mapping.group, role=mapping.role,
    )  # fmt: skip
    mapping.delete()
