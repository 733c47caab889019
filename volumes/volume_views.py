"""The Volumes tab, and one volume: its page, its hover card, its menu."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from backups.models import Backup
from backups.services import restore_hindrance
from portal.access import Permission, Request, account_view, wants_fragment
from portal.models import Resource
from volumes.lists import VolumeList, rows_of

RECENT = 5


def volumes_of(request: Request) -> QuerySet[Resource]:
    """Volumes of the account, the unassigned too: their backups are still there."""
    volumes = request.account.resources.filter(kind__in=Resource.VOLUME_KINDS)
    return volumes.select_related("account", "cloud_account")


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def volume_list(request: Request) -> HttpResponse:
    listed = VolumeList(request.account, request.GET)
    context = {"list": listed, "page": listed.page, "may": _may(request)}
    context["lines"] = listed.lines(request.path, may=_may(request))
    context["may_set"] = Permission.EDIT_SETTINGS in request.permissions
    if wants_fragment(request):
        return render(request, "volumes/_volumes.html", context)
    context["heads"] = listed.heads
    return render(request, "volumes/volume_list.html", context)


@account_view(Permission.VIEW)
@require_GET
def volume_detail(request: Request, resource: UUID) -> HttpResponse:
    volume = get_object_or_404(volumes_of(request), pk=resource)
    backups = Backup.objects.filter(resource=volume).listed().order_by("-created_at")
    latest = backups.filter(status__in=Backup.TELLING).select_related("task").first()
    context = {
        "volume": volume,
        "row": rows_of([volume])[0],
        "latest": latest,
        "backups": backups[:RECENT],
        "may": _may(request),
        "hindrance": restore_hindrance(volume),
        "section": "volumes:volume_list",
    }
    return render(request, "volumes/volume_detail.html", context)


@account_view(Permission.VIEW)
@require_GET
def volume_card(request: Request, resource: UUID) -> HttpResponse:
    """Name, type and ID (R092)."""
    volume = get_object_or_404(volumes_of(request), pk=resource)
    return render(request, "volumes/_volume_card.html", {"volume": volume})


@account_view(Permission.PROTECT_VOLUMES)
@require_GET
def volume_menu(request: Request, resource: UUID) -> HttpResponse:
    """What can be done with one volume, loaded when its menu opens."""
    volume = get_object_or_404(volumes_of(request), pk=resource)
    good = Backup.objects.filter(pk=volume.last_good_id) if volume.last_good_id else None
    context = {
        "volume": volume,
        "task": volume.active_task(),
        "hindrance": restore_hindrance(volume),
        "backup": good.select_related("resource").first() if good else None,
    }
    return render(request, "volumes/_volume_menu.html", context)


def _may(request: Request) -> bool:
    """Whether the person may back up and restore volumes (R066, R165)."""
    return Permission.PROTECT_VOLUMES in request.permissions
