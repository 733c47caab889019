"""Instance types of an AHV cloud account: declared by those who manage it."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from portal.access import Request, cloud_account_view
from portal.audit import Actor
from portal.cloud_account_forms import InstanceTypeForm
from portal.dialogs import done, render_dialog
from portal.models import CloudAccount, Infrastructure
from portal.refusals import Refused
from portal.services import instance_types


@cloud_account_view(manage=True)
@require_http_methods(["GET", "POST"])
def instance_type_create(request: Request, cloud_account: CloudAccount) -> HttpResponse:
    if cloud_account.kind != Infrastructure.AHV:
        raise Http404
    form = InstanceTypeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = instance_types.add_instance_type(
                Actor.of(request), cloud_account, **form.cleaned_data
            )
            return done(request, f"{made.name} added.", _address(cloud_account))
        except Refused as refusal:
            form.refuse(refusal)
    context = {
        "form": form,
        "back": _address(cloud_account),
        "heading": "Add instance type",
        "section": "portal:cloud_account_list",
    }
    status = 422 if form.is_bound else 200
    return render_dialog(request, "portal/instance_type_create.html", context, status=status)


@cloud_account_view(manage=True)
@require_http_methods(["GET", "POST"])
def instance_type_remove(
    request: Request, cloud_account: CloudAccount, instance_type: int
) -> HttpResponse:
    found = get_object_or_404(cloud_account.instance_types, pk=instance_type)
    if request.method == "POST":
        instance_types.remove_instance_type(Actor.of(request), found)
        return done(request, f"{found.name} removed.", _address(cloud_account))
    context = {
        "instance_type": found,
        "back": _address(cloud_account),
        "heading": f"Remove {found.name}",
        "section": "portal:cloud_account_list",
    }
    return render_dialog(request, "portal/instance_type_remove.html", context)


def _address(cloud_account: CloudAccount) -> str:
    return reverse("portal:cloud_account_detail", kwargs={"cloud_account": cloud_account.pk})
