"""Settings of an account: General, and where its machines live."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from portal.access import Permission, Request, account_view
from portal.account_forms import AccountPlaceForm, GeneralForm
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.refusals import Refused
from portal.services import tenancy

SECTION = "portal:account_settings"


@account_view(Permission.VIEW)
@require_GET
def account_settings(request: Request) -> HttpResponse:
    context = {
        "may_edit": Permission.EDIT_SETTINGS in request.permissions,
        # Account Administrators do not learn names of cloud accounts (R112).
        "may_place": Permission.VIEW_CLOUD_ACCOUNTS in request.permissions,
        "section": SECTION,
    }
    return render(request, "portal/account_settings.html", context)


@account_view(Permission.EDIT_SETTINGS)
@require_http_methods(["GET", "POST"])
def account_edit(request: Request) -> HttpResponse:
    account = request.account
    present = {
        "name": account.name,
        "time_zone": account.time_zone,
        "is_domain_joined": account.is_domain_joined,
    }
    form = GeneralForm(request.POST or None, initial=present)
    back = _settings(request)
    if request.method == "POST" and form.is_valid():
        try:
            tenancy.edit_account(Actor.of(request), account, **form.cleaned_data)
            return done(request, "Saved.", back)
        except Refused as refusal:
            form.refuse(refusal)
    context = {"form": form, "back": back, "heading": "Edit general settings", "section": SECTION}
    status = 422 if form.is_bound else 200
    return render_dialog(request, "portal/account_edit.html", context, status=status)


@account_view(Permission.VIEW_CLOUD_ACCOUNTS)
@require_http_methods(["GET", "POST"])
def account_place(request: Request) -> HttpResponse:
    account = request.account
    form = AccountPlaceForm(account, request.user, request.POST or None)
    back = _settings(request)
    if request.method == "POST" and form.is_valid():
        try:
            tenancy.place_account(Actor.of(request), account, **form.cleaned_data)
            return done(request, "Saved.", back)
        except Refused as refusal:
            form.refuse(refusal)
    context = {
        "form": form,
        "back": back,
        "heading": "Edit cloud account",
        "section": SECTION,
    }
    status = 422 if form.is_bound else 200
    return render_dialog(request, "portal/account_place.html", context, status=status)


def _settings(request: Request) -> str:
    return reverse("portal:account_settings", args=[request.account.pk])
