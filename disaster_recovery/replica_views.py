"""Replicate one backup by hand, after a confirmation (R043 to R046)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from backups.models import Backup
from backups.rates import measured_rate, pace_there
from disaster_recovery.many import replicate_selection
from disaster_recovery.services import latest_of, replicate_backup, replication_hindrance
from portal.access import Permission, Request, account_view
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Resource
from portal.refusals import Refused
from portal.uuids import as_uuid
from volumes.lists import VolumeList
from volumes.selection import Selection


@account_view(Permission.BACK_UP_SERVERS)
@require_http_methods(["GET", "POST"])
def backup_replicate(request: Request, backup: UUID) -> HttpResponse:
    """A backup of a server."""
    return _replicate(request, Backup.objects.exclude(kind__in=Resource.VOLUME_KINDS), backup)


@account_view(Permission.PROTECT_VOLUMES)
@require_http_methods(["GET", "POST"])
def volume_backup_replicate(request: Request, backup: UUID) -> HttpResponse:
    """A backup of a volume."""
    return _replicate(request, Backup.objects.of_volumes(), backup)


# Ticked on one page; more would make a request of many seconds.
MOST_CHOSEN = 100


@account_view(Permission.PROTECT_VOLUMES)
@require_http_methods(["GET", "POST"])
def volumes_replicate(request: Request) -> HttpResponse:
    """The latest good backup of each volume that was chosen, after a confirmation."""
    if not request.account.dr_enabled:
        raise Http404
    given = request.POST if request.method == "POST" else request.GET
    if given.get("all"):
        return _replicate_all(request, VolumeList(request.account, given).selection)
    wanted = [pk for pk in map(as_uuid, given.getlist("volume")[:MOST_CHOSEN]) if pk]
    backups, reasons = latest_of(request.account, wanted)
    back = reverse("volumes:volume_list", args=[request.account.pk])
    context = {
        "backups": backups,
        "reasons": reasons,
        "size_bytes": sum(each.size_bytes or 0 for each in backups),
        "back": back,
        "heading": "Replicate",
        "section": "volumes:volume_list",
    }
    template = "disaster_recovery/volumes_replicate.html"
    if request.method != "POST" or not backups:
        status = 200 if request.method != "POST" else 422
        return render_dialog(request, template, context, status=status)
    begun = 0
    for backup in backups:
        # Whoever came first at this moment has started it.
        with suppress(Refused):
            replicate_backup(Actor.of(request), backup)
            begun += 1
    tasks = reverse("reporting:task_list", args=[request.account.pk])
    said = '{} replication{} requested. <a href="{}">View tasks</a>'
    return done(request, format_html(said, begun, "" if begun == 1 else "s", tasks), back)


def _replicate_all(request: Request, selection: Selection) -> HttpResponse:
    """Of all volumes that match, by one task that starts the others."""
    back = reverse("volumes:volume_list", args=[request.account.pk])
    meant = selection.rows(request.account)
    context: dict[str, Any] = {
        "selection": selection,
        "total": meant.count(),
        "bare": meant.filter(last_good_id=None).count(),
        "back": back,
        "heading": "Replicate",
        "section": "volumes:volume_list",
    }
    template = "disaster_recovery/volumes_replicate_all.html"
    if request.method != "POST":
        return render_dialog(request, template, context)
    try:
        task = replicate_selection(Actor.of(request), request.account, selection)
    except Refused as refusal:
        return render_dialog(request, template, context | {"refusal": refusal}, status=422)
    address = reverse("reporting:task_detail", args=[request.account.pk, task.pk])
    said = format_html('{} requested. <a href="{}">View task</a>', task, address)
    return done(request, said, back)


def _replicate(request: Request, backups: QuerySet[Backup], backup: UUID) -> HttpResponse:
    """Names the backup and both places; nothing starts before it is confirmed (R045)."""
    if not request.account.dr_enabled:
        raise Http404
    backups = backups.filter(account=request.account).select_related(
        "resource__cloud_account", "account__dr_cloud_account"
    )
    found = get_object_or_404(backups, pk=backup)
    pace, size = pace_there(request.account, measured_rate(request.account)), found.size_bytes or 0
    context = {
        "backup": found,
        "resource": found.resource,
        "hindrance": replication_hindrance(found),
        "has_replica": found.replicas.there().exists(),
        "seconds": pace.travel(size).seconds if pace.rate else None,
        "reason": pace.reason(size),
        "back": _page_of(found),
        "heading": f"Replicate {found}",
        "section": "volumes:volume_list" if found.resource.is_volume else _SECTIONS[found.kind],
    }
    template = "disaster_recovery/backup_replicate.html"
    if request.method != "POST":
        return render_dialog(request, template, context)
    try:
        replica = replicate_backup(Actor.of(request), found)
    except Refused as refusal:
        return render_dialog(request, template, context | {"hindrance": refusal}, status=422)
    address = reverse("reporting:task_detail", args=[request.account.pk, replica.task_id])
    said = format_html('Replication of “{}” requested. <a href="{}">View task</a>', found, address)
    return done(request, said, _page_of(found))


_SECTIONS: dict[str, str] = {
    Resource.Kind.SANDBOX: "backups:sandbox_detail",
    Resource.Kind.UTILITY_SERVER: "backups:utility_server_list",
}


def _page_of(backup: Backup) -> str:
    """The page that lists the backup."""
    if backup.resource.is_volume:
        return reverse("volumes:volume_backup_list", args=[backup.account_id])
    if backup.kind == Resource.Kind.SANDBOX:
        return reverse("backups:sandbox_detail", args=[backup.account_id])
    return reverse("backups:utility_server_detail", args=[backup.account_id, backup.resource_id])
