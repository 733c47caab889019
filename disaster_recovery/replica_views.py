"""Replicate one backup by hand, after a confirmation (R043 to R046)."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from backups.models import Backup
from backups.rates import measured_rate
from disaster_recovery.services import replicate_backup, replication_hindrance
from portal.access import Permission, Request, account_view
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Resource
from portal.refusals import Refused


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


def _replicate(request: Request, backups: QuerySet[Backup], backup: UUID) -> HttpResponse:
    """Names the backup and both places; nothing starts before it is confirmed (R045)."""
    if not request.account.dr_enabled:
        raise Http404
    backups = backups.filter(account=request.account).select_related(
        "resource__cloud_account", "account__dr_cloud_account"
    )
    found = get_object_or_404(backups, pk=backup)
    rate = measured_rate(request.account)
    context = {
        "backup": found,
        "resource": found.resource,
        "hindrance": replication_hindrance(found),
        "has_replica": found.replicas.there().exists(),
        "seconds": (found.size_bytes or 0) / rate if rate else None,
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
