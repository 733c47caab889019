"""Pages of the Sandbox and the Utility Servers, and the three dialogs of a backup."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import F, OrderBy, QuerySet
from django.db.models.functions import Lower
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_http_methods
from django.views.decorators.vary import vary_on_headers

from backups import services
from backups.forms import BackupCreateForm
from backups.models import Backup
from backups.panels import (
    SERVER_KINDS,
    Panel,
    panels_of,
    servers_of,
    system_label,
)
from backups.rates import replica_choice
from portal.access import Permission, Request, account_view, wants_fragment
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.engine import Busy
from portal.models import Resource
from portal.paging import numbered
from portal.refusals import Refused

_ORDERS = {
    "name": (Lower("name"), "pk"),
    "-name": (Lower("name").desc(), "pk"),
    "last": (OrderBy(F("last_done_at"), nulls_first=True), Lower("name"), "pk"),
    "-last": (OrderBy(F("last_done_at"), descending=True, nulls_last=True), Lower("name"), "pk"),
}


# Pages


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def sandbox_detail(request: Request) -> HttpResponse:
    sandbox = servers_of(request.account).filter(kind=Resource.Kind.SANDBOX).first()
    if sandbox is None:
        may_assign = Permission.ASSIGN_MACHINES in request.permissions
        return render(request, "backups/sandbox_none.html", {"may_assign": may_assign})
    panel = Panel(sandbox, request.permissions, request.GET)
    template = "backups/_sandbox.html" if wants_fragment(request) else "backups/sandbox_detail.html"
    return render(request, template, {"panel": panel})


@account_view(Permission.VIEW)
@require_GET
def utility_server_list(request: Request) -> HttpResponse:
    servers = servers_of(request.account).filter(kind=Resource.Kind.UTILITY_SERVER)
    query = request.GET.get("q", "").replace("\x00", "").strip()  # PostgreSQL refuses NUL
    order = request.GET.get("sort", "")
    found = servers.filter(name__icontains=query) if query else servers
    found = found.order_by(*_ORDERS.get(order, _ORDERS["name"]))
    page = numbered(found, request.GET)
    context = {
        "panels": panels_of(list(page.object_list), request.permissions),
        "page": page,
        "q": query,
        "sort": order if order in _ORDERS else "name",
        "total": page.paginator.count if not query else servers.count(),
        "may_assign": Permission.ASSIGN_MACHINES in request.permissions,
    }
    return render(request, "backups/utility_server_list.html", context)


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def utility_server_detail(request: Request, resource: UUID) -> HttpResponse:
    servers = servers_of(request.account).filter(kind=Resource.Kind.UTILITY_SERVER)
    server = get_object_or_404(servers, pk=resource)
    if wants_fragment(request):
        is_open = "closed" not in request.GET
        panel = Panel(server, request.permissions, request.GET, is_open)
        return render(request, "backups/_utility_server.html", {"panel": panel})
    panel = Panel(server, request.permissions, request.GET)
    return render(request, "backups/utility_server_detail.html", {"panel": panel})


# Dialogs


@account_view(Permission.BACK_UP_SERVERS)
@require_http_methods(["GET", "POST"])
def backup_create(request: Request, resource: UUID) -> HttpResponse:
    """Name and description; then, unless the server is off, the prompt to power it off (R021)."""
    panel = panel_of(request, resource)
    form = BackupCreateForm(request.POST if request.method == "POST" else None)
    context = dialog_context(panel, panel.create_hindrance) | {"form": form}
    if request.method != "POST":
        return open_dialog(request, panel, "backups/backup_create.html", context)
    if not form.is_valid():
        return open_dialog(request, panel, "backups/backup_create.html", context, status=422)
    try:
        backup = services.create_backup(
            Actor.of(request),
            panel.resource,
            may_power_off=has_consent(request),
            keep_running=request.POST.get("power") == "keep",
            **form.cleaned_data,
        )
    except services.PowerOffNotAccepted:
        return open_dialog(request, panel, "backups/backup_create_prompt.html", context)
    except Refused as refusal:
        return refused(request, panel, "backups/backup_create.html", context, refusal)
    return done(request, requested(panel, f"Backup “{backup}”", backup.task_id), panel.url)


@account_view(Permission.RESTORE_SERVERS)
@require_http_methods(["GET", "POST"])
def backup_restore(request: Request, backup: UUID) -> HttpResponse:
    found = get_object_or_404(backups_of(request), pk=backup)
    panel = panel_of(request, found.resource_id)
    refusal = panel.restore_hindrance if found.may_restore else services.not_restorable(found)
    context = dialog_context(panel, refusal) | {"backup": found} | replica_choice(found)
    if request.method != "POST":
        return open_dialog(request, panel, "backups/backup_restore.html", context)
    try:
        task = services.restore_backup(
            Actor.of(request),
            found,
            may_power_off=has_consent(request),
            from_replica=request.POST.get("from_replica") == "yes",
        )
    except Refused as refusal:
        return refused(request, panel, "backups/backup_restore.html", context, refusal)
    return done(request, requested(panel, f"Restore of “{found}”", task.pk), panel.url)


@account_view(Permission.DELETE_SERVER_BACKUPS)
@require_http_methods(["GET", "POST"])
def backup_delete(request: Request, backup: UUID) -> HttpResponse:
    found = get_object_or_404(backups_of(request), pk=backup)
    panel = panel_of(request, found.resource_id)
    refusal = panel.delete_hindrance if found.may_delete else services.not_deletable(found)
    context = dialog_context(panel, refusal) | {"backup": found}
    if request.method != "POST":
        return open_dialog(request, panel, "backups/backup_delete.html", context)
    try:
        task = services.delete_backup(Actor.of(request), found)
    except Refused as refusal:
        return refused(request, panel, "backups/backup_delete.html", context, refusal)
    if task is None:
        return done(request, f"“{found}” is off the list.", panel.url)
    return done(request, requested(panel, f"Deletion of “{found}”", task.pk), panel.url)


def backups_of(request: Request) -> QuerySet[Backup]:
    """Of servers; deleted ones too, as a stale page is told what became of them."""
    backups = Backup.objects.visible_to(request.user).filter(
        resource__account=request.account, resource__kind__in=SERVER_KINDS
    )
    return backups.select_related("resource__account", "resource__cloud_account", "task")


def panel_of(request: Request, resource: UUID) -> Panel:
    """The panel of a server of the account; 404 for anything else."""
    servers = servers_of(request.account).filter(kind__in=SERVER_KINDS)
    return Panel(get_object_or_404(servers, pk=resource), request.permissions, QueryDict())


def dialog_context(panel: Panel, hindrance: str) -> dict[str, Any]:
    """What all three dialogs show; ``hindrance`` is the reason why nothing can be done now."""
    low, high = services.estimate_minutes(panel.resource.size_bytes)
    return {
        "panel": panel,
        "resource": panel.resource,
        "label": system_label(panel.resource),
        "hindrance": hindrance,
        "minutes": f"{low} to {high}",
        "back": panel.url,
    }


def has_consent(request: Request) -> bool:
    """Whether the form that was sent has named the power-off (R021)."""
    return request.POST.get("may_power_off") == "yes"


def open_dialog(
    request: Request, panel: Panel, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """The dialog alone, or on the page of its system."""
    is_sandbox = panel.resource.kind == Resource.Kind.SANDBOX
    page = f"backups/{'sandbox' if is_sandbox else 'utility_server'}_detail.html"
    return render_dialog(request, template, context, page=page, status=status)


def refused(
    request: Request, panel: Panel, template: str, context: dict[str, Any], refusal: Refused
) -> HttpResponse:
    """The dialog again with the service's reason; only a missing consent can be made good there."""
    if isinstance(refusal, Busy):
        panel.task = refusal.task
    can_go_on = isinstance(refusal, services.PowerOffNotAccepted)
    context = context | {"refusal": refusal, "hindrance": "" if can_go_on else str(refusal)}
    return open_dialog(request, panel, template, context, status=422)


def requested(panel: Panel, what: str, task_id: UUID | None) -> SafeString:
    """Say that a task was requested, with the way to it."""
    address = reverse("reporting:task_detail", args=[panel.resource.account_id, task_id])
    return format_html('{} requested. <a href="{}">View task</a>', what, address)
