"""The Backups tab, and what is done with one backup of a volume."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from backups import services
from backups.models import Backup, Settings, settings_of
from backups.rates import replica_choice
from backups.retention import kept_because
from portal.access import Permission, Request, account_view, wants_fragment
from portal.addresses import address
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Resource, Task
from portal.refusals import Refused
from volumes.backup_lists import VolumeBackupList, policies_of
from volumes.lists import heads_in
from volumes.live import progress_context

LIST = "volumes:volume_backup_list"


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def volume_backup_list(request: Request) -> HttpResponse:
    listed = VolumeBackupList(request.account, request.GET)
    may = Permission.PROTECT_VOLUMES in request.permissions
    volumes = address("volumes:volume_list", request.account.pk)
    context: dict[str, Any] = {
        "list": listed,
        "lines": listed.lines(request.path, volumes, may=may),
        "page": listed.page,
        "may": may,
        "may_set": Permission.EDIT_SETTINGS in request.permissions,
        "section": "volumes:volume_list",
    }
    if wants_fragment(request):
        return render(request, "volumes/_volume_backups.html", context)
    context |= {"heads": heads_in(listed.numbers), "policies": policies_of(request.account)}
    context |= progress_context(request, listed.numbers)
    return render(request, "volumes/volume_backup_list.html", context)


def backups_of(request: Request) -> QuerySet[Backup]:
    """Of volumes; deleted ones too, as a stale page is told what became of them."""
    backups = Backup.objects.visible_to(request.user).filter(account=request.account).of_volumes()
    return backups.select_related("resource__account", "resource__cloud_account", "task")


@account_view(Permission.PROTECT_VOLUMES)
@require_GET
def volume_backup_menu(request: Request, backup: UUID) -> HttpResponse:
    """What can be done with one backup, loaded when its menu opens."""
    found = get_object_or_404(backups_of(request), pk=backup)
    policy = settings_of(found.resource)
    context = {
        "backup": found,
        "task": found.resource.active_task(),
        "hindrance": services.restore_hindrance(found.resource),
        "kept": kept_because(found.resource, policy).get(found.pk, ""),
    }
    return render(request, "volumes/_volume_backup_menu.html", context)


@account_view(Permission.PROTECT_VOLUMES)
@require_http_methods(["GET", "POST"])
def volume_backup_restore(request: Request, backup: UUID) -> HttpResponse:
    """Overwrite the volume with the backup, after a confirmation (R077, R078, R080)."""
    found = get_object_or_404(backups_of(request), pk=backup)
    volume = found.resource
    hindrance = "" if found.may_restore else services.not_restorable(found)
    hindrance = hindrance or services.restore_hindrance(volume) or _busy(volume.active_task())
    context = _context(request, found, hindrance) | {"heading": f"Restore {volume}"}
    context |= replica_choice(found)
    template = "volumes/volume_backup_restore.html"
    if request.method != "POST":
        return render_dialog(request, template, context)
    consent = request.POST.get("may_power_off") == "yes"
    try:
        task = services.restore_backup(
            Actor.of(request),
            found,
            may_power_off=consent,
            from_replica=request.POST.get("from_replica") == "yes",
        )
    except Refused as refusal:
        return _refused(request, template, context, refusal)
    return done(request, _requested(request, f"Restore of “{found}”", task), context["back"])


@account_view(Permission.PROTECT_VOLUMES)
@require_http_methods(["GET", "POST"])
def volume_backup_delete(request: Request, backup: UUID) -> HttpResponse:
    """Remove the backup, after a confirmation that lists what goes (R081 to R084)."""
    found = get_object_or_404(backups_of(request), pk=backup)
    hindrance = "" if found.may_delete else services.not_deletable(found)
    hindrance = hindrance or _busy(found.resource.active_task())
    context = _context(request, found, hindrance) | {"heading": f"Delete {found}"}
    template = "volumes/volume_backup_delete.html"
    if request.method != "POST":
        return render_dialog(request, template, context)
    try:
        task = services.delete_backup(Actor.of(request), found)
    except Refused as refusal:
        return _refused(request, template, context, refusal)
    if task is None:
        return done(request, f"“{found}” is off the list.", context["back"])
    return done(request, _requested(request, f"Deletion of “{found}”", task), context["back"])


@account_view(Permission.PROTECT_VOLUMES)
@require_POST
def volume_backup_pin(request: Request, backup: UUID) -> HttpResponse:
    """Pin it, or, when it is pinned, unpin it."""
    found = get_object_or_404(backups_of(request), pk=backup)
    change = services.unpin_backup if found.is_pinned else services.pin_backup
    back = reverse(LIST, args=[request.account.pk])
    try:
        change(Actor.of(request), found)
    except Refused as refusal:
        return done(request, str(refusal), back, level=40)
    said = "is kept until it is unpinned" if found.is_pinned else "counts as any other again"
    return done(request, f"“{found}” of {found.resource} {said}.", back)


def _busy(task: Task | None) -> str:
    return f"It is busy: “{task}” is under way. Try again when it has ended." if task else ""


def _context(request: Request, backup: Backup, hindrance: str) -> dict[str, Any]:
    policy: Settings = settings_of(backup.resource)
    return {
        "backup": backup,
        "volume": backup.resource,
        "hindrance": hindrance,
        "kept": kept_because(backup.resource, policy).get(backup.pk, ""),
        "is_desktop": backup.kind == Resource.Kind.PERSISTENT_DESKTOP,
        "back": reverse(LIST, args=[request.account.pk]),
        "section": "volumes:volume_list",
    }


def _refused(
    request: Request, template: str, context: dict[str, Any], refusal: Refused
) -> HttpResponse:
    """The dialog again with the reason; only a missing consent can be made good there."""
    can_go_on = isinstance(refusal, services.PowerOffNotAccepted)
    said = {"refusal": refusal, "hindrance": "" if can_go_on else str(refusal)}
    return render_dialog(request, template, context | said, status=422)


def _requested(request: Request, what: str, task: Task) -> str:
    there = address("reporting:task_detail", request.account.pk, task.pk)
    return format_html('{} requested. <a href="{}">View task</a>', what, there)
