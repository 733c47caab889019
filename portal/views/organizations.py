"""Organizations and accounts, made by the administrators above them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from portal.access import Request, administrators
from portal.account_forms import AccountCreateForm, OrganizationForm
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Account, Customer, Organization
from portal.paging import numbered
from portal.refusals import Refused
from portal.services import tenancy

ORGANIZATIONS_A_PAGE = 20


@administrators
@require_GET
def organization_list(request: Request) -> HttpResponse:
    accounts = Account.objects.living().select_related("cloud_account").order_by("name")
    organizations = (
        Organization.objects.administered_by(request.user)
        .select_related("customer")
        .prefetch_related(Prefetch("accounts", accounts))
        .order_by("customer__name", "name")
    )
    customers = Customer.objects.administered_by(request.user).order_by("name")
    page = numbered(organizations, request.GET, ORGANIZATIONS_A_PAGE)
    context = {"organizations": page.object_list, "page": page, "customers": customers}
    return render(request, "portal/organization_list.html", context)


@administrators
@require_http_methods(["GET", "POST"])
def organization_create(request: Request, customer: UUID) -> HttpResponse:
    found = get_object_or_404(Customer.objects.administered_by(request.user), pk=customer)
    form = OrganizationForm(request.POST or None)
    back = reverse("portal:organization_list")
    if request.method == "POST" and form.is_valid():
        try:
            made = tenancy.create_organization(Actor.of(request), found, **form.cleaned_data)
            return done(request, f"Organization {made} created.", back)
        except Refused as refusal:
            form.refuse(refusal)
    context = {"form": form, "customer": found, "back": back, "heading": "Create organization"}
    status = 422 if form.is_bound else 200
    return render_dialog(request, "portal/organization_create.html", context, status=status)


@administrators
@require_http_methods(["GET", "POST"])
def account_create(request: Request, organization: UUID) -> HttpResponse:
    found = get_object_or_404(
        Organization.objects.administered_by(request.user).select_related("customer"),
        pk=organization,
    )
    form = AccountCreateForm(found, request.user, request.POST or None)
    back = reverse("portal:organization_list")
    if request.method == "POST" and form.is_valid():
        try:
            made = tenancy.create_account(Actor.of(request), found, **form.cleaned_data)
            return done(request, f"Account {made} created.", back)
        except Refused as refusal:
            form.refuse(refusal)
    context = {"form": form, "organization": found, "back": back, "heading": "Create account"}
    status = 422 if form.is_bound else 200
    return render_dialog(request, "portal/account_create.html", context, status=status)
