"""Who may do what: the only decorators views use. Every view carries exactly one mark.

Rights come from role grants alone (R110 to R112, R165). A thing outside a person's
reach is 404, so that nothing leaks; a thing within reach but beyond the role is 403,
which names the roles that have the right.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Q, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django_htmx.middleware import HtmxDetails

from portal.models import Account, CloudAccount, Organization, Role, RoleGrant, User
from portal.prepared import Prepared, Statement


class Permission(enum.StrEnum):
    """One thing a role may do within its scope."""

    VIEW = "view"
    BACK_UP_SERVERS = "back_up_servers"
    RESTORE_SERVERS = "restore_servers"
    DELETE_SERVER_BACKUPS = "delete_server_backups"
    PROTECT_VOLUMES = "protect_volumes"
    MANAGE_TASKS = "manage_tasks"
    EDIT_SETTINGS = "edit_settings"
    MANAGE_ACCESS = "manage_access"
    ASSIGN_MACHINES = "assign_machines"
    VIEW_CLOUD_ACCOUNTS = "view_cloud_accounts"
    MANAGE_RECOVERY = "manage_recovery"
    REPORT_SESSIONS = "report_sessions"


# What has to do with cloud accounts is beyond an Account Administrator (R110, R112).
_ACCOUNT = frozenset(Permission) - {
    Permission.ASSIGN_MACHINES,
    Permission.VIEW_CLOUD_ACCOUNTS,
    Permission.MANAGE_RECOVERY,
    Permission.REPORT_SESSIONS,
}

RIGHTS: dict[str, frozenset[Permission]] = {
    Role.CUSTOMER_ADMINISTRATOR: frozenset(Permission),
    Role.ORGANIZATION_ADMINISTRATOR: frozenset(Permission),
    Role.ACCOUNT_ADMINISTRATOR: _ACCOUNT,
    Role.SUPPORT: frozenset({Permission.VIEW, Permission.PROTECT_VOLUMES}),
    Role.AUDITOR: frozenset({Permission.VIEW}),
}


class Request(HttpRequest):
    """A signed-in request, as views see it."""

    user: User
    htmx: HtmxDetails
    account: Account
    # Roles held anywhere, and what those that reach the account allow there.
    roles: frozenset[str]
    permissions: frozenset[Permission]
    id: str


def wants_fragment(request: Request) -> bool:
    """Whether to answer with the part alone instead of the whole page."""
    return bool(request.htmx) and not request.htmx.boosted


# The cookie that names the account a person looked at last. It opens nothing by itself.
LAST_ACCOUNT = "account"

P = ParamSpec("P")
View = Callable[..., HttpResponseBase]


def permissions(user: User, account: Account) -> frozenset[Permission]:
    """Return what the user may do in this account; empty when out of reach."""
    return _standing(user, account)[1]


def _standing(user: User, account: Account) -> tuple[frozenset[str], frozenset[Permission]]:
    """Return the roles the user holds anywhere, and what the user may do in this account."""
    organization = account.organization
    held = _ROLES.rows(user.pk, account.pk, organization.pk, organization.customer_id)
    here = (RIGHTS[role] for role, reaches in held if reaches)
    return frozenset(role for role, _ in held), frozenset().union(*here)


def _roles(user: UUID, account: UUID, organization: UUID, customer: UUID) -> Statement:
    """Each role the user holds, with 1 where it reaches the account and 0 elsewhere."""
    reached = Q(account=account) | Q(organization=organization) | Q(customer=customer)
    reaches = Case(When(reached, then=Value(1)), default=Value(0))
    held = RoleGrant.objects.filter(user=user).values_list("role", reaches).distinct()
    return held.query.sql_with_params()


_ROLES = Prepared(_roles)


def roles_with(permission: Permission) -> list[str]:
    """Labels of the roles that have this right, for saying what is missing."""
    return [Role(role).label for role, rights in RIGHTS.items() if permission in rights]


class Missing(PermissionDenied):
    """403 within reach: ``str()`` says which roles have the right."""

    def __init__(self, permission: Permission) -> None:
        names = roles_with(permission)
        listed = " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
        super().__init__(f"This needs the role {listed}.")


def require(request: Request, permission: Permission) -> None:
    """Raise Missing unless the request's account grants the right."""
    if permission not in request.permissions:
        raise Missing(permission)


def _mark(view: View, name: str) -> View:
    view.access_mark = name  # type: ignore[attr-defined]
    return view


def public(view: View) -> View:
    """Anyone may call it, signed in or not."""
    return _mark(login_not_required(view), "public")


def signed_in(view: View) -> View:
    """Any signed-in person; the view itself starts from ``visible_to``."""
    return _mark(view, "signed_in")


def _remember(request: Request, response: HttpResponseBase) -> None:
    """Keep in a cookie which account was looked at last, for the page after sign-in."""
    account = str(request.account.pk)
    if wants_fragment(request) or not isinstance(response, HttpResponse):
        return  # a page left open in another tab is not looked at
    if request.COOKIES.get(LAST_ACCOUNT) != account:
        response.set_cookie(
            LAST_ACCOUNT,
            account,
            max_age=365 * 86400,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def account_view(
    permission: Permission,
) -> Callable[[Callable[Concatenate[Any, P], HttpResponseBase]], View]:
    """Views under ``/accounts/<uuid:account>/``: 404 out of reach, 403 without the right.

    The view finds the Account as ``request.account``, the person's roles as ``request.roles``
    and rights as ``request.permissions``; the URL's ``account`` is taken off its arguments.
    """

    def decorate(view: Callable[Concatenate[Any, P], HttpResponseBase]) -> View:
        @wraps(view)
        def guarded(request: Any, *args: Any, account: UUID, **kwargs: Any) -> HttpResponseBase:
            request.account = get_object_or_404(
                Account.objects.living().select_related("organization__customer"), pk=account
            )
            request.roles, request.permissions = _standing(request.user, request.account)
            if not request.permissions:
                # No grant reaches it: what `visible_to` says too, for one query more.
                raise Http404
            require(request, permission)
            response = view(request, *args, **kwargs)
            _remember(request, response)
            return response

        return _mark(guarded, f"account:{permission}")

    return decorate


def cloud_account_view(*, manage: bool) -> Callable[[Callable[..., HttpResponseBase]], View]:
    """Views of one cloud account: 404 unless visible, 403 unless managed (if asked)."""

    def decorate(view: Callable[..., HttpResponseBase]) -> View:
        @wraps(view)
        def guarded(
            request: Any, *args: Any, cloud_account: UUID, **kwargs: Any
        ) -> HttpResponseBase:
            visible = CloudAccount.objects.visible_to(request.user)
            found = get_object_or_404(
                visible.select_related("customer", "organization"), pk=cloud_account
            )
            managed = CloudAccount.objects.managed_by(request.user)
            if manage and not managed.filter(pk=found.pk).exists():
                raise PermissionDenied(
                    "It is registered above your organization; this needs a Customer Administrator."
                )
            return view(request, found, *args, **kwargs)

        return _mark(guarded, "cloud_account:manage" if manage else "cloud_account:view")

    return decorate


def administrators(view: Callable[..., HttpResponseBase]) -> View:
    """Customer and Organization Administrators of anything; the view narrows to their scope."""

    @wraps(view)
    def guarded(request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not Organization.objects.administered_by(request.user).exists() and not _is_customer(
            request.user
        ):
            raise PermissionDenied(
                "This needs the role Customer Administrator or Organization Administrator."
            )
        return view(request, *args, **kwargs)

    return _mark(guarded, "administrators")


def _is_customer(user: User) -> bool:
    return RoleGrant.objects.filter(user=user, role=Role.CUSTOMER_ADMINISTRATOR).exists()


def grantable_roles(user: User, account: Account) -> list[Role]:
    """Roles the user may grant on this account: none above their own."""
    rights = permissions(user, account)
    if Permission.MANAGE_ACCESS not in rights:
        return []
    return [Role.ACCOUNT_ADMINISTRATOR, Role.SUPPORT, Role.AUDITOR]
