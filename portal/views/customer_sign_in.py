"""How the people of a customer sign in: two factors or not, and what their groups stand for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from portal.access import Request, administrators
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.identity_provider import provider
from portal.models import Customer, GroupMapping
from portal.refusals import Refused
from portal.services import security, single_sign_on
from portal.sign_in_forms import GroupMappingForm


@administrators
@require_GET
def customer_sign_in(request: Request, customer: UUID) -> HttpResponse:
    found = _customer(request, customer)
    mappings = GroupMapping.objects.of_customer(found).order_by("group", "claim", "pk")
    context = _context(found, "Sign-in") | {
        "mappings": mappings.select_related("customer", "organization", "account"),
        "provider": provider(),
    }
    return render(request, "portal/customer_sign_in.html", context)


@administrators
@require_http_methods(["GET", "POST"])
def two_factor_edit(request: Request, customer: UUID) -> HttpResponse:
    """Switch it on, or off when it is on."""
    found = _customer(request, customer)
    wanted = not found.requires_two_factor
    context = _context(found, "Two-factor sign-in") | {"wanted": wanted}
    template = "portal/two_factor_edit.html"
    if request.method != "POST":
        return render_dialog(request, template, context)
    try:
        security.require_two_factor(Actor.of(request), found, is_required=wanted)
    except Refused as refusal:
        context["refusal"] = refusal
        return render_dialog(request, template, context, status=422)
    state = "now" if wanted else "no longer"
    return done(request, f"Two-factor sign-in is {state} required.", context["back"])


@administrators
@require_http_methods(["GET", "POST"])
def group_mapping_create(request: Request, customer: UUID) -> HttpResponse:
    found = _customer(request, customer)
    form = GroupMappingForm(found, request.POST or None)
    context = _context(found, "Map a group") | {"form": form}
    if request.method == "POST" and form.is_valid():
        try:
            made = single_sign_on.map_group(Actor.of(request), **form.cleaned_data)
            return done(request, f"{made.group} is mapped.", context["back"])
        except Refused as refusal:
            form.refuse(refusal)
    status = 422 if form.is_bound else 200
    return render_dialog(request, "portal/group_mapping_create.html", context, status=status)


@administrators
@require_http_methods(["GET", "POST"])
def group_mapping_delete(request: Request, customer: UUID, mapping: int) -> HttpResponse:
    found = _customer(request, customer)
    row = get_object_or_404(GroupMapping.objects.of_customer(found), pk=mapping)
    context = _context(found, "Remove mapping") | {"mapping": row}
    if request.method != "POST":
        return render_dialog(request, "portal/group_mapping_delete.html", context)
    single_sign_on.unmap_group(Actor.of(request), row)
    return done(request, f"{row.group} is no longer mapped.", context["back"])


def _customer(request: Request, pk: UUID) -> Customer:
    return get_object_or_404(Customer.objects.administered_by(request.user), pk=pk)


def _context(customer: Customer, heading: str) -> dict[str, Any]:
    return {
        "customer": customer,
        "heading": heading,
        "back": reverse("portal:customer_sign_in", args=[customer.pk]),
        "section": "portal:organization_list",
    }
