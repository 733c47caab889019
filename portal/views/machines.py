"""Assigning discovered machines to an account, and letting them go."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from portal.access import Permission, Request, account_view
from portal.account_forms import MachineAssignForm
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Account, DiscoveredServer, Resource
from portal.paging import numbered
from portal.refusals import Refused
from portal.services import machines


def unassigned(account: Account) -> QuerySet[DiscoveredServer]:
    """Machines of the account's cloud account, and region, that belong to nobody yet.

    Desktops of users are not among them: the inventory brings those to the Volumes page.
    """
    taken = Resource.objects.filter(
        cloud_account=OuterRef("cloud_account"), external_id=OuterRef("external_id")
    )
    servers = DiscoveredServer.objects.filter(cloud_account=account.cloud_account_id)
    servers = servers.exclude(description__contains="kind=persistent-desktop")
    return servers.filter(~Exists(taken), site__in=("", account.site))


@account_view(Permission.VIEW)
@require_GET
def account_machines(request: Request) -> HttpResponse:
    servers = request.account.resources.filter(kind__in=machines.SERVER_KINDS)
    page = numbered(servers.order_by("kind", "name", "pk"), request.GET)
    context = {
        "machines": page.object_list,
        "page": page,
        "may_assign": Permission.ASSIGN_MACHINES in request.permissions,
        "section": "portal:account_settings",
    }
    return render(request, "portal/account_machines.html", context)


@account_view(Permission.ASSIGN_MACHINES)
@require_http_methods(["GET", "POST"])
def machine_assign(request: Request) -> HttpResponse:
    account = request.account
    servers = unassigned(account)
    form = MachineAssignForm(servers, request.POST or None, initial=_first_kind(account))
    back = reverse("portal:account_machines", args=[account.pk])
    if request.method == "POST" and form.is_valid():
        try:
            made = machines.assign_machine(Actor.of(request), account, **form.cleaned_data)
            return done(request, f"{made} assigned as {made.get_kind_display()}.", back)
        except Refused as refusal:
            form.refuse(refusal)
    context = {
        "form": form,
        "back": back,
        "has_machines": servers.exists(),
        "heading": "Assign machine",
        "section": "portal:account_settings",
    }
    status = 422 if form.is_bound else 200
    return render_dialog(request, "portal/machine_assign.html", context, status=status)


def _first_kind(account: Account) -> dict[str, str]:
    """A Sandbox comes first; every other machine is a Utility Server."""
    has_sandbox = account.resources.filter(kind=Resource.Kind.SANDBOX).exists()
    return {"kind": Resource.Kind.UTILITY_SERVER if has_sandbox else Resource.Kind.SANDBOX}


@account_view(Permission.ASSIGN_MACHINES)
@require_http_methods(["GET", "POST"])
def machine_remove(request: Request, resource: UUID) -> HttpResponse:
    servers = request.account.resources.filter(kind__in=machines.SERVER_KINDS)
    found = get_object_or_404(servers, pk=resource)
    back = reverse("portal:account_machines", args=[request.account.pk])
    context = {
        "resource": found,
        "back": back,
        "heading": f"Remove {found}",
        "section": "portal:account_settings",
    }
    if request.method != "POST":
        return render_dialog(request, "portal/machine_remove.html", context)
    try:
        machines.remove_machine(Actor.of(request), found)
    except Refused as refusal:
        context["refusal"] = refusal
        return render_dialog(request, "portal/machine_remove.html", context, status=422)
    return done(request, f"{found} is no longer assigned.", back)
