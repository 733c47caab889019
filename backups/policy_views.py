"""The settings of a system: the dialog, and what it says would change."""

from __future__ import annotations

from datetime import time
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from backups import policies
from backups.forms import BackupPolicyForm
from backups.models import BackupPolicy
from backups.panels import Panel, system_label
from backups.views import open_dialog, panel_of
from portal.access import Permission, Request, account_view
from portal.audit import Actor
from portal.dialogs import done
from portal.models import Resource
from portal.templatetags.ui import in_zone

PREVIEW = "policy-preview"
# When people work, by the schedule's own clock (R034).
WORKING_HOURS = (time(8), time(18))


@account_view(Permission.BACK_UP_SERVERS)
@require_http_methods(["GET", "POST"])
def backup_policy_edit(request: Request, resource: UUID) -> HttpResponse:
    """The dialog. Asked with its fields in the query, it says what they would change.

    Without script they are posted with ``look``: in a query, the token against forged
    requests would be in the address.
    """
    panel = panel_of(request, resource)
    policy = BackupPolicy.of(panel.resource)
    given = request.POST if request.method == "POST" else request.GET
    form = BackupPolicyForm(policy, given if "keep_manual" in given else None)
    is_save = request.method == "POST" and "look" not in request.POST
    if is_save and form.is_valid():
        try:
            saved = policies.save_policy(
                Actor.of(request), panel.resource, form.wanted(), shown=form.cleaned_data["shown"]
            )
            return done(request, _saved(saved), panel.url)
        except policies.ChangedMeanwhile as refusal:
            form.tell(refusal)
    context = _context(panel, policy, form)
    if request.method == "GET" and request.htmx.target == PREVIEW:
        response = render(request, "backups/_policy_preview.html", context)
        patch_vary_headers(response, ["HX-Request", "HX-Target"])
        return response
    status = 422 if request.method == "POST" and form.errors else 200
    return open_dialog(request, panel, "backups/backup_policy_edit.html", context, status=status)


def _context(panel: Panel, policy: BackupPolicy, form: BackupPolicyForm) -> dict[str, Any]:
    is_known = form.is_complete
    wanted = form.wanted() if form.is_bound and is_known else policies.present(policy)
    is_server = panel.resource.kind == Resource.Kind.UTILITY_SERVER
    at_work = WORKING_HOURS[0] <= wanted.backup_time < WORKING_HOURS[1]
    return {
        "panel": panel,
        "resource": panel.resource,
        "label": system_label(panel.resource),
        "is_server": is_server,
        "form": form,
        "wanted": wanted,
        "preview": policies.preview(policy, wanted, timezone.now()) if is_known else None,
        "is_at_work": is_server and wanted.is_scheduled and at_work,
        "back": panel.url,
    }


def _saved(policy: BackupPolicy) -> str:
    if policy.next_run_at is None:
        return "Settings saved. There is no schedule."
    at = in_zone(policy.next_run_at, policy.time_zone)
    return format_html("Settings saved. Next backup {} {}.", at, policy.time_zone)
