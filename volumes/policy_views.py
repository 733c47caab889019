"""Settings of all volumes of a kind: the dialog, and what it says would change (R069 to R076)."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from backups import policies
from backups.forms import BackupPolicyForm
from backups.models import VolumePolicy
from backups.policy_views import PREVIEW
from portal.access import Permission, Request, account_view
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Resource
from portal.templatetags.ui import in_zone


@account_view(Permission.EDIT_SETTINGS)
@require_http_methods(["GET", "POST"])
def volume_policy_edit(request: Request, kind: str) -> HttpResponse:
    """The dialog. Asked with its fields in the query, it says what they would change.

    Without script they are posted with ``look``: in a query, the token against forged
    requests would be in the address.
    """
    if kind not in Resource.VOLUME_KINDS:
        raise Http404
    policy = VolumePolicy.of(request.account, kind)
    given = request.POST if request.method == "POST" else request.GET
    form = BackupPolicyForm(policy, given if "keep_manual" in given else None)
    back = reverse("volumes:volume_backup_list", args=[request.account.pk])
    is_save = request.method == "POST" and "look" not in request.POST
    if is_save and form.is_valid():
        try:
            saved = policies.save_volume_policy(
                Actor.of(request),
                request.account,
                kind,
                form.wanted(),
                shown=form.cleaned_data["shown"],
            )
            return done(request, _saved(saved), back)
        except policies.ChangedMeanwhile as refusal:
            form.tell(refusal)
    context = _context(policy, form) | {"back": back, "kinds": _kinds(request, kind)}
    if request.method == "GET" and request.htmx.target == PREVIEW:
        response = render(request, "volumes/_volume_policy_preview.html", context)
        patch_vary_headers(response, ["HX-Request", "HX-Target"])
        return response
    status = 422 if request.method == "POST" and form.errors else 200
    return render_dialog(request, "volumes/volume_policy_edit.html", context, status=status)


def _context(policy: VolumePolicy, form: BackupPolicyForm) -> dict[str, Any]:
    is_known = form.is_complete
    wanted = form.wanted() if form.is_bound and is_known else policies.present(policy)
    now = timezone.now()
    return {
        "form": form,
        "plural": f"{policy.get_kind_display()}s",
        "wanted": wanted,
        "preview": policies.volume_preview(policy, wanted, now) if is_known else None,
        "heading": "Backups Settings",
        "section": "volumes:volume_list",
    }


def _kinds(request: Request, present: str) -> list[tuple[str, str, bool]]:
    """The way to the settings of each kind: address, name, whether it is this one."""
    return [
        (
            reverse("volumes:volume_policy_edit", args=[request.account.pk, kind]),
            f"{Resource.Kind(kind).label}s",
            kind == present,
        )
        for kind in Resource.VOLUME_KINDS
    ]


def _saved(policy: VolumePolicy) -> str:
    """Say what holds now."""
    plural = f"{policy.get_kind_display()}s"
    if policy.next_run_at is None:
        return f"Settings of {plural} saved. No backup is scheduled."
    at = in_zone(policy.next_run_at, policy.time_zone)
    return format_html("Settings of {} saved. Next run: {} {}.", plural, at, policy.time_zone)
