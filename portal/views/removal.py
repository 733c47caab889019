"""Cloud accounts and organizations deleted by those who manage them."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from portal.access import Request, administrators, cloud_account_view
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import CloudAccount, Customer, Organization
from portal.refusals import Refused
from portal.services import removal


@cloud_account_view(manage=True)
@require_http_methods(["GET", "POST"])
def cloud_account_delete(request: Request, cloud_account: CloudAccount) -> HttpResponse:
    refusal, status = removal.uses_of_cloud_account(cloud_account), 200
    if request.method == "POST":
        try:
            removal.delete_cloud_account(Actor.of(request), cloud_account)
            return done(request, f"{cloud_account} deleted.", reverse("portal:cloud_account_list"))
        except Refused as refused:
            refusal, status = str(refused), 422
    context = {
        "cloud_account": cloud_account,
        "refusal": refusal,
        "back": reverse("portal:cloud_account_detail", args=[cloud_account.pk]),
        "heading": f"Delete {cloud_account}",
        "section": "portal:cloud_account_list",
    }
    return render_dialog(request, "portal/cloud_account_delete.html", context, status=status)


@administrators
@require_http_methods(["GET", "POST"])
def organization_delete(request: Request, organization: UUID) -> HttpResponse:
    """For Customer Administrators, who make organizations."""
    within = Customer.objects.administered_by(request.user)
    found = get_object_or_404(Organization.objects.filter(customer__in=within), pk=organization)
    refusal, status = removal.uses_of_organization(found), 200
    back = reverse("portal:organization_list")
    if request.method == "POST":
        try:
            removal.delete_organization(Actor.of(request), found)
            return done(request, f"Organization {found} deleted.", back)
        except Refused as refused:
            refusal, status = str(refused), 422
    context = {
        "organization": found,
        "role_count": found.rolegrants.count(),
        "refusal": refusal,
        "back": back,
        "heading": f"Delete {found}",
        "section": "portal:organization_list",
    }
    return render_dialog(request, "portal/organization_delete.html", context, status=status)
