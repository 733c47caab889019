"""The Disaster recovery tab of an account's settings."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST

from disaster_recovery import configuration, disabling, remote_sites
from disaster_recovery.figures import figures_of
from disaster_recovery.forms import RecoveryForm
from disaster_recovery.models import ReadinessCheck
from portal.access import Permission, Request, account_view
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Infrastructure, Task
from portal.refusals import Refused
from portal.uuids import as_uuid

SECTION = "portal:account_settings"
SETTINGS = "disaster_recovery:recovery_settings"
# Checks that the guided steps help with (R114 to R123).
GUIDED = {"remote_site", "return_site", "ports", "containers", "containers_back"}


@account_view(Permission.MANAGE_RECOVERY)
@require_http_methods(["GET", "POST"])
def recovery_settings(request: Request) -> HttpResponse:
    """Choose the secondary, and save: a task checks both sites and switches it on (R128, R140)."""
    account = request.account
    if not account.is_supported:
        status = 200 if request.method == "GET" else 422
        context = {"account": account, "section": SECTION}
        template = "disaster_recovery/recovery_settings_none.html"
        return render(request, template, context, status=status)
    choices = configuration.secondary_choices(request.user, account)
    form = RecoveryForm(account, choices, request.POST or None)
    if request.method == "POST" and form.is_valid():
        cleaned = dict(form.cleaned_data)
        if not cleaned.pop("enable"):
            return _leave_off(request)
        try:
            task = configuration.enable(Actor.of(request), account, **cleaned)
            messages.success(request, _requested(request, "The configuration", task.pk))
            return redirect(SETTINGS, account=account.pk)
        except Refused as refusal:
            form.refuse(refusal)
    status = 422 if form.is_bound else 200
    context = _context(request) | {"form": form}
    return render(request, "disaster_recovery/recovery_settings.html", context, status=status)


def _leave_off(request: Request) -> HttpResponse:
    """Switching it off asks first what becomes of the replicas (R164)."""
    if request.account.dr_enabled:
        return redirect("disaster_recovery:recovery_disable", account=request.account.pk)
    messages.info(request, "Disaster recovery is off; nothing was changed.")
    return redirect(SETTINGS, account=request.account.pk)


def _context(request: Request) -> dict[str, Any]:
    account = request.account
    checks = list(ReadinessCheck.objects.filter(account=account))
    failed = [check for check in checks if check.state == ReadinessCheck.State.FAILED]
    kinds = (configuration.CONFIGURE, configuration.CHECK, remote_sites.KIND)
    task = Task.objects.active().filter(account=account, kind__in=kinds).first()
    return {
        "account": account,
        "section": SECTION,
        "checks": checks,
        "failed": failed,
        "passed": sum(check.state == ReadinessCheck.State.PASSED for check in checks),
        "task": task,
        "connection": remote_sites.latest_result(account),
        "figures": figures_of(account),
        "is_ahv": account.infrastructure == Infrastructure.AHV,
        "is_guided": any(check.key in GUIDED for check in failed) or not checks,
    }


@account_view(Permission.MANAGE_RECOVERY)
@require_POST
def recovery_check(request: Request) -> HttpResponse:
    """Check again; the page shows the running checks, and their result when they have ended."""
    account = request.account
    back = reverse(SETTINGS, args=[account.pk])
    try:
        task = configuration.check_again(Actor.of(request), account)
    except Refused as refusal:
        return done(request, str(refusal), back, level=messages.ERROR)
    return done(request, _requested(request, "The checks", task.pk), back)


@account_view(Permission.MANAGE_RECOVERY)
@require_POST
def recovery_test(request: Request) -> HttpResponse:
    """Test Connection with the backup cloud account that is chosen, saved or not (R122)."""
    account = request.account
    back = reverse(SETTINGS, args=[account.pk])
    given = request.POST.get("cloud_account", "")
    choices = configuration.secondary_choices(request.user, account)
    secondary = choices.filter(pk=key).first() if (key := as_uuid(given)) else None
    try:
        if given and secondary is None:
            raise Refused("Choose a cloud account of the list.")
        task = remote_sites.test_connection(Actor.of(request), account, secondary)
    except Refused as refusal:
        return done(request, str(refusal), back, level=messages.ERROR)
    return done(request, _requested(request, "Test Connection", task.pk), back)


@account_view(Permission.MANAGE_RECOVERY)
@require_http_methods(["GET", "POST"])
def recovery_disable(request: Request) -> HttpResponse:
    """Switch it off: replicas stay, unless they are chosen to be deleted (R164)."""
    account = request.account
    back = reverse(SETTINGS, args=[account.pk])
    replicas = disabling.replicas_left(account)
    context = {
        "back": back,
        "heading": "Switch disaster recovery off",
        "section": SECTION,
        "replicas": replicas.count(),
        "hindrance": "" if account.dr_enabled else "Disaster recovery is off already.",
    }
    template = "disaster_recovery/recovery_disable.html"
    if request.method != "POST":
        return render_dialog(request, template, context)
    is_deleting = request.POST.get("replicas") == "delete"
    try:
        task = disabling.disable(Actor.of(request), account, delete_replicas=is_deleting)
    except Refused as refusal:
        return render_dialog(request, template, context | {"hindrance": refusal}, status=422)
    said: str = "Disaster recovery is off. Replicas are kept."
    if task:
        said = _requested(request, "Disaster recovery is off. The deletion of replicas", task.pk)
    return done(request, said, back)


def _requested(request: Request, what: str, task: UUID) -> SafeString:
    address = reverse("reporting:task_detail", args=[request.account.pk, task])
    return format_html('{} was requested. <a href="{}">View task</a>', what, address)
