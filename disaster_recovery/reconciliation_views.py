"""The Reconciliation page: what records and sites differ in, and what becomes of each."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from disaster_recovery import settling
from disaster_recovery.models import Discrepancy
from disaster_recovery.reconciliation import KIND, reconcile
from portal.access import Permission, Request, account_view
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Task
from portal.refusals import Refused

SECTION = "portal:account_settings"
A_PAGE = 50
# What a dialog asks, and what its button says.
VERBS = {"adopt": "Adopt", "delete": "Delete", "ignore": "Ignore"}


@account_view(Permission.MANAGE_RECOVERY)
@require_GET
def reconciliation(request: Request) -> HttpResponse:
    """What is open; ``?show=ignored`` what was left as it is."""
    account = request.account
    is_ignored = request.GET.get("show") == "ignored"
    state = Discrepancy.State.IGNORED if is_ignored else Discrepancy.State.OPEN
    rows = Discrepancy.objects.filter(account=account, state=state).select_related("backup")
    tasks = Task.objects.filter(account=account, kind=KIND).order_by("-created_at")
    active = tasks.active().first()
    context = {
        "account": account,
        "section": SECTION,
        "page": Paginator(rows, A_PAGE).get_page(request.GET.get("page")),
        "is_ignored": is_ignored,
        "ignored": Discrepancy.objects.filter(account=account, state="ignored").count(),
        "task": active,
        "last": tasks.exclude(state__in=Task.ACTIVE).first(),
    }
    return render(request, "disaster_recovery/reconciliation.html", context)


@account_view(Permission.MANAGE_RECOVERY)
@require_POST
def reconciliation_start(request: Request) -> HttpResponse:
    """Compare now."""
    back = _address(request)
    try:
        task = reconcile(Actor.of(request), request.account)
    except Refused as refusal:
        return done(request, str(refusal), back, level=messages.ERROR)
    address = reverse("reporting:task_detail", args=[request.account.pk, task.pk])
    said = format_html('Reconciliation was requested. <a href="{}">View task</a>', address)
    return done(request, said, back)


@account_view(Permission.MANAGE_RECOVERY)
@require_http_methods(["GET", "POST"])
def discrepancy_settle(request: Request, discrepancy: UUID, verb: str) -> HttpResponse:
    """Adopt, delete or ignore one, after a dialog that says what that means."""
    if verb not in VERBS:
        raise Http404
    found = get_object_or_404(
        Discrepancy.objects.select_related("account", "cloud_account", "backup"),
        pk=discrepancy,
        account=request.account,
    )
    back = _address(request)
    context = {
        "found": found,
        "verb": verb,
        "text": VERBS[verb],
        "back": back,
        "heading": f"{VERBS[verb]} {found}",
        "section": SECTION,
    }
    template = "disaster_recovery/discrepancy_settle.html"
    if request.method != "POST":
        return render_dialog(request, template, context)
    try:
        said = _settle(request, found, verb)
    except Refused as refusal:
        return render_dialog(request, template, context | {"refusal": refusal}, status=422)
    return done(request, said, back)


def _settle(request: Request, found: Discrepancy, verb: str) -> Any:
    actor = Actor.of(request)
    if verb == "adopt":
        return f"Adopted: “{settling.adopt(actor, found)}” can be restored from."
    if verb == "ignore":
        settling.ignore(actor, found)
        return f"“{found}” is left as it is."
    task = settling.delete(actor, found)
    address = reverse("reporting:task_detail", args=[request.account.pk, task.pk])
    return format_html('The removal was requested. <a href="{}">View task</a>', address)


def _address(request: Request) -> str:
    return reverse("disaster_recovery:reconciliation", args=[request.account.pk])
