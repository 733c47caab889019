"""Who calls: the two ways a key signs in, what it may do, and as whom it acts."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.security import APIKeyHeader, HttpBearer
from ninja.security.base import AuthBase

from portal.access import Permission
from portal.audit import Actor, client_address
from portal.models import Account, User
from reporting import api_keys
from reporting.models import ApiKey


class Bearer(HttpBearer):
    """``Authorization: Bearer <token>``."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        return api_keys.by_token(token)


class Signed(APIKeyHeader):
    """``X-Frame-ClientId``, ``X-Frame-Timestamp`` and ``X-Frame-Signature``."""

    param_name = "X-Frame-ClientId"
    openapi_description = (
        "Together with `X-Frame-Timestamp`, in seconds since 1970, and `X-Frame-Signature`, the "
        "lowercase hex HMAC-SHA256 of time and client id, keyed with the client secret."
    )

    def authenticate(self, request: HttpRequest, key: str | None) -> ApiKey | None:
        return api_keys.by_signature(request.headers) if key else None


class SignedIn(AuthBase):
    """A person at the portal's own pages; for reading the API's description alone."""

    openapi_type = "http"

    def __call__(self, request: HttpRequest) -> User | None:
        return request.user if isinstance(request.user, User) else None


def key_of(request: HttpRequest) -> ApiKey:
    """The key the request has signed in with."""
    return cast("ApiKey", request.auth)  # type: ignore[attr-defined]


def require(request: HttpRequest, permission: Permission) -> ApiKey:
    """The request's key; 403 unless its role has the right."""
    key = key_of(request)
    if permission not in key.permissions:
        raise HttpError(403, f"The key's role, {key.get_role_display()}, has no right to this.")
    return key


def account_of(request: HttpRequest, pk: UUID, permission: Permission = Permission.VIEW) -> Account:
    """An account within the key's reach: 403 without the right, 404 out of reach."""
    account = require(request, permission).accounts().filter(pk=pk).first()
    if account is None:
        raise HttpError(404, "There is no such account, or the key does not reach it.")
    return account


def actor_of(request: HttpRequest) -> Actor:
    """The key as the one who acts: what services put into the audit trail."""
    key = key_of(request)
    source, request_id = client_address(request), getattr(request, "id", "")
    return Actor(None, f"API key {key.name}", source, request_id, api_client=str(key.pk))
