"""Making, checking and revoking API keys."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q, QuerySet

from portal.access import Permission, permissions
from portal.audit import Actor, record
from portal.engine import clock
from portal.models import Account, Customer, Organization, Role, RoleGrant, User
from portal.models.tenancy import SCOPE_OF_ROLE
from portal.refusals import Refused
from portal.secret_field import Secrets
from portal.uuids import as_uuid
from reporting.models import ApiKey
from reporting.models.api_keys import SESSION_BROKER

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET_BYTES = 32
# A signed request is good for so long before and after the time it names.
REPLAY_SECONDS = 300
# "Last used" is for people: it is not written with every call.
LAST_USED_GRAIN = timedelta(minutes=1)
# So long a revoked key stays on the page of keys.
REVOKED_SHOWN = timedelta(days=30)

Scope = Customer | Organization | Account


@transaction.atomic
def create(
    actor: Actor, scope: Scope, *, name: str, role: str, manner: str = ApiKey.Manner.BEARER
) -> tuple[ApiKey, str]:
    """Make a key; answer it with what its owner needs, which is shown this once.

    For a bearer key that is the whole token, for a signing one the secret. Callers have checked
    that the role is theirs to give (`offered_roles`).
    """
    if role not in dict(ApiKey.ROLES):
        raise Refused(f"There is no role {role}.", field="role")
    wanted = SCOPE_OF_ROLE.get(Role(role)) if role in Role.values else None
    if wanted and wanted != scope._meta.model_name:
        raise Refused(f"{Role(role).label} is a role on one {wanted}.", field="role")
    secret = secrets.token_urlsafe(SECRET_BYTES)
    key = ApiKey(name=name, role=role, manner=manner, created_by=actor.user)
    setattr(key, type(scope).__name__.lower(), scope)
    if manner == ApiKey.Manner.SIGNED:
        key.secret = Secrets(secret=secret)
    else:
        key.secret_hash = _hash(secret)
    key.save(force_insert=True)
    record(actor, "api_key.create", key, role=role, manner=manner, scope=str(scope))
    return key, secret if key.secret else f"{key.pk.hex}.{secret}"


@transaction.atomic
def revoke(actor: Actor, key: ApiKey) -> None:
    """Let the key be good no more, from now on."""
    revoked = ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=clock.now())
    if not revoked:
        raise Refused(f"{key.name} was revoked before.")
    record(actor, "api_key.revoke", key)


def offered_roles(user: User, scope: Scope) -> list[str]:
    """Roles the user may give a key of this scope, and so revoke: none above their own."""
    readers = [Role.SUPPORT.value, Role.AUDITOR.value]
    if isinstance(scope, Account):
        rights = permissions(user, scope)
        if Permission.MANAGE_ACCESS not in rights:
            return []
        broker = [SESSION_BROKER] if Permission.REPORT_SESSIONS in rights else []
        return [Role.ACCOUNT_ADMINISTRATOR.value, *readers, *broker]
    if not type(scope).objects.administered_by(user).filter(pk=scope.pk).exists():
        return []
    is_customer = isinstance(scope, Customer)
    own = Role.CUSTOMER_ADMINISTRATOR if is_customer else Role.ORGANIZATION_ADMINISTRATOR
    return [own.value, *readers, SESSION_BROKER]


def keys_of(scope: Scope) -> QuerySet[ApiKey]:
    """Keys on exactly this scope, by name; those revoked long ago are in the audit trail alone."""
    lately = clock.now() - REVOKED_SHOWN
    keys = ApiKey.objects.filter(**{str(scope._meta.model_name): scope})
    keys = keys.filter(Q(revoked_at=None) | Q(revoked_at__gte=lately))
    keys = keys.select_related("created_by", "customer", "organization", "account")
    return keys.order_by(F("revoked_at").desc(nulls_first=True), "name", "pk")


def keys_above(user: User, account: Account) -> QuerySet[ApiKey]:
    """Keys of the account's organization and customer that still work, as far as the user's
    own roles stand there or above."""
    organization = account.organization
    grants = RoleGrant.objects.filter(user=user)
    on_customer = grants.filter(customer=organization.customer_id).exists()
    reached = Q(customer=organization.customer_id) if on_customer else Q(pk=None)
    if on_customer or grants.filter(organization=organization).exists():
        reached |= Q(organization=organization)
    keys = ApiKey.objects.filter(reached, revoked_at=None)
    return keys.select_related("created_by", "customer", "organization").order_by("name", "pk")


def by_token(token: str) -> ApiKey | None:
    """The key a bearer token belongs to, None unless it is good."""
    id_, _, secret = token.partition(".")
    key = _usable(id_, ApiKey.Manner.BEARER)
    if key is None or not hmac.compare_digest(_hash(secret), key.secret_hash):
        return None
    return _used(key)


def by_signature(headers: Mapping[str, str]) -> ApiKey | None:
    """The key by which a request is signed, None unless it is good and the time is near now.

    As in the original: hex HMAC-SHA256 over the time in seconds followed by the client id.
    """
    id_ = headers.get("X-Frame-ClientId", "")
    stamp = headers.get("X-Frame-Timestamp", "")
    key = _usable(id_, ApiKey.Manner.SIGNED)
    if key is None or not stamp.isascii() or not stamp.isdecimal() or len(stamp) > 12:
        return None
    if abs(clock.now().timestamp() - int(stamp)) > REPLAY_SECONDS:
        return None
    given = headers.get("X-Frame-Signature", "").lower().encode()
    wanted = signature(key.secret["secret"], stamp, id_).encode()
    return _used(key) if hmac.compare_digest(wanted, given) else None


def signature(secret: str, stamp: str, client_id: str) -> str:
    """What a client sends as ``X-Frame-Signature``."""
    return hmac.new(secret.encode(), f"{stamp}{client_id}".encode(), hashlib.sha256).hexdigest()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _usable(id_: str, manner: str) -> ApiKey | None:
    if (pk := as_uuid(id_)) is None:
        return None
    keys = ApiKey.objects.select_related("customer", "organization", "account")
    return keys.filter(pk=pk, manner=manner, revoked_at=None).first()


def _used(key: ApiKey) -> ApiKey:
    now = clock.now()
    before = Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_GRAIN)
    ApiKey.objects.filter(before, pk=key.pk).update(last_used_at=now)
    return key
