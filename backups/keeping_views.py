"""What keeps a backup: a pin, or that it serves as BYO Master Image."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from backups import services
from backups.master_images import (
    mark_master_image,
    mark_refusal,
    unmark_master_image,
)
from backups.models import Backup
from backups.panels import system_url
from backups.views import backups_of, dialog_context, open_dialog, panel_of, refused, requested
from portal.access import Permission, Request, account_view
from portal.audit import Actor
from portal.dialogs import done
from portal.refusals import Refused

# What a list of backups is asked with.
LIST_QUERY = ("type", "sort", "page")


@account_view(Permission.BACK_UP_SERVERS)
@require_POST
def backup_pin(request: Request, backup: UUID) -> HttpResponse:
    found = get_object_or_404(backups_of(request), pk=backup)
    try:
        services.pin_backup(Actor.of(request), found)
    except Refused as refusal:
        return _said(request, found, refusal)
    return done(request, f"“{found}” is pinned: retention leaves it alone.", _back(request, found))


@account_view(Permission.BACK_UP_SERVERS)
@require_POST
def backup_unpin(request: Request, backup: UUID) -> HttpResponse:
    found = get_object_or_404(backups_of(request), pk=backup)
    try:
        services.unpin_backup(Actor.of(request), found)
    except Refused as refusal:
        return _said(request, found, refusal)
    return done(request, f"“{found}” is no longer pinned.", _back(request, found))


@account_view(Permission.BACK_UP_SERVERS)
@require_http_methods(["GET", "POST"])
def backup_mark_master_image(request: Request, backup: UUID) -> HttpResponse:
    """Says why an additional backup is made (R054)."""
    found = get_object_or_404(backups_of(request), pk=backup)
    panel = panel_of(request, found.resource_id)
    template = "backups/backup_mark_master_image.html"
    hindrance = mark_refusal(found) or panel.busy_hindrance
    context = dialog_context(panel, hindrance) | {"backup": found}
    if request.method != "POST":
        return open_dialog(request, panel, template, context)
    try:
        image = mark_master_image(Actor.of(request), found)
    except Refused as refusal:
        return refused(request, panel, template, context, refusal)
    return done(
        request, requested(panel, f"Additional backup of “{found}”", image.task_id), panel.url
    )


@account_view(Permission.BACK_UP_SERVERS)
@require_POST
def backup_unmark_master_image(request: Request, backup: UUID) -> HttpResponse:
    found = get_object_or_404(backups_of(request), pk=backup)
    try:
        unmark_master_image(Actor.of(request), found)
    except Refused as refusal:
        return _said(request, found, refusal)
    said = f"“{found}” no longer serves as BYO Master Image. It stays as a pinned backup."
    return done(request, said, _back(request, found))


def _back(request: Request, backup: Backup) -> str:
    """The list as it stood, narrowed, sorted and turned to its page."""
    query = {name: request.GET[name] for name in LIST_QUERY if name in request.GET}
    url = system_url(backup.resource)
    return f"{url}?{urlencode(query)}" if query else url


def _said(request: Request, backup: Backup, refusal: Refused) -> HttpResponse:
    return done(request, str(refusal), _back(request, backup), level=messages.ERROR)
