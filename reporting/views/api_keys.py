"""API keys of an account, an organization or a customer: seen, made, revoked.

A secret is in one answer alone, the one to the form that made the key: it is not kept in a
message, a session or an address, and browsers are told not to store the page.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from portal.access import Permission, Request, account_view, administrators
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Account, Customer, Organization
from portal.refusals import Refused
from reporting import api_keys
from reporting.api_key_forms import ApiKeyForm


@account_view(Permission.VIEW)
@require_GET
def api_key_list(request: Request) -> HttpResponse:
    above = api_keys.keys_above(request.user, request.account)
    return _list(request, request.account, {"above": above})


@account_view(Permission.MANAGE_ACCESS)
@require_http_methods(["GET", "POST"])
@never_cache
def api_key_create(request: Request) -> HttpResponse:
    return _create(request, request.account)


@account_view(Permission.MANAGE_ACCESS)
@require_http_methods(["GET", "POST"])
def api_key_revoke(request: Request, api_key: UUID) -> HttpResponse:
    return _revoke(request, request.account, api_key)


@administrators
@require_GET
def organization_api_key_list(request: Request, organization: UUID) -> HttpResponse:
    return _list(request, _organization(request, organization))


@administrators
@require_http_methods(["GET", "POST"])
@never_cache
def organization_api_key_create(request: Request, organization: UUID) -> HttpResponse:
    return _create(request, _organization(request, organization))


@administrators
@require_http_methods(["GET", "POST"])
def organization_api_key_revoke(
    request: Request, organization: UUID, api_key: UUID
) -> HttpResponse:
    return _revoke(request, _organization(request, organization), api_key)


@administrators
@require_GET
def customer_api_key_list(request: Request, customer: UUID) -> HttpResponse:
    return _list(request, _customer(request, customer))


@administrators
@require_http_methods(["GET", "POST"])
@never_cache
def customer_api_key_create(request: Request, customer: UUID) -> HttpResponse:
    return _create(request, _customer(request, customer))


@administrators
@require_http_methods(["GET", "POST"])
def customer_api_key_revoke(request: Request, customer: UUID, api_key: UUID) -> HttpResponse:
    return _revoke(request, _customer(request, customer), api_key)


def _organization(request: Request, pk: UUID) -> Organization:
    mine = Organization.objects.administered_by(request.user).select_related("customer")
    return get_object_or_404(mine, pk=pk)


def _customer(request: Request, pk: UUID) -> Customer:
    return get_object_or_404(Customer.objects.administered_by(request.user), pk=pk)


def _list(
    request: Request, scope: api_keys.Scope, more: dict[str, Any] | None = None
) -> HttpResponse:
    roles = api_keys.offered_roles(request.user, scope)
    context = _context(scope, "API") | {
        "keys": [(key, key.role in roles) for key in api_keys.keys_of(scope)],
        "may_manage": bool(roles),
        "create_url": _address(scope, "create"),
        "zone": scope.zone if isinstance(scope, Account) else UTC,
        **(more or {}),
    }
    return render(request, "reporting/api_key_list.html", context)


def _create(request: Request, scope: api_keys.Scope) -> HttpResponse:
    """The form; then, once, the secret."""
    form = ApiKeyForm(api_keys.offered_roles(request.user, scope), request.POST or None)
    context = _context(scope, "Create API key") | {"form": form}
    if request.method == "POST" and form.is_valid():
        try:
            key, secret = api_keys.create(Actor.of(request), scope, **form.cleaned_data)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            context |= {"key": key, "secret": secret}
            return render_dialog(request, "reporting/api_key_created.html", context)
    status = 422 if form.is_bound else 200
    return render_dialog(request, "reporting/api_key_create.html", context, status=status)


def _revoke(request: Request, scope: api_keys.Scope, pk: UUID) -> HttpResponse:
    key = get_object_or_404(api_keys.keys_of(scope), pk=pk)
    context = _context(scope, "Revoke API key") | {"key": key}
    template = "reporting/api_key_revoke.html"
    if key.role not in api_keys.offered_roles(request.user, scope):
        context["refusal"] = "This key's role is above your own; ask an administrator."
        return render_dialog(request, template, context, status=403)
    if request.method != "POST":
        return render_dialog(request, template, context)
    try:
        api_keys.revoke(Actor.of(request), key)
    except Refused as refusal:
        context["refusal"] = refusal
        return render_dialog(request, template, context, status=422)
    return done(request, f"“{key.name}” is revoked.", context["back"])


def _context(scope: api_keys.Scope, heading: str) -> dict[str, Any]:
    is_account = isinstance(scope, Account)
    return {
        "scope": scope,
        "level": scope._meta.model_name,
        "back": _address(scope, "list"),
        "heading": heading if is_account else f"{heading} for {scope}",
        "section": "portal:account_settings" if is_account else "portal:organization_list",
    }


def _address(scope: api_keys.Scope, verb: str) -> str:
    level = "" if isinstance(scope, Account) else f"{scope._meta.model_name}_"
    return reverse(f"reporting:{level}api_key_{verb}", args=[scope.pk])
