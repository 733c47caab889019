"""Settings, tab Alerts: by which rules notifications leave the portal, and what came of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from portal.access import Permission, Request, account_view, wants_fragment
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.paging import Order, numbered, page_of
from portal.refusals import Refused
from reporting import alerts
from reporting.alert_forms import AlertRuleEditForm, AlertRuleForm
from reporting.models import AlertRule

SECTION = "portal:account_settings"
NEWEST_FIRST = Order("created_at", is_descending=True)


@account_view(Permission.EDIT_SETTINGS)
@require_GET
def alert_list(request: Request) -> HttpResponse:
    page = numbered(alerts.rules_of(request.account), request.GET)
    context = {"rules": page.object_list, "page": page, "section": SECTION}
    return render(request, "reporting/alert_list.html", context)


@account_view(Permission.EDIT_SETTINGS)
@require_GET
@vary_on_headers("HX-Request")
def alert_detail(request: Request, rule: UUID) -> HttpResponse:
    """One rule, and its deliveries: when, what, to whom, and what went wrong."""
    found = _find(request, rule)
    deliveries = found.deliveries.prefetch_related("items")
    context = {
        "rule": found,
        "page": page_of(deliveries, NEWEST_FIRST, request.GET),
        "section": SECTION,
    }
    part = "reporting/_alert_deliveries.html"
    return render(
        request, part if wants_fragment(request) else "reporting/alert_detail.html", context
    )


@account_view(Permission.EDIT_SETTINGS)
@require_http_methods(["GET", "POST"])
def alert_create(request: Request) -> HttpResponse:
    form = AlertRuleForm(request.account.time_zone, request.POST or None)
    back = reverse("reporting:alert_list", args=[request.account.pk])
    if request.method == "POST" and form.is_valid():
        try:
            rule = alerts.create_rule(
                Actor.of(request), request.account, _portal(request), **form.cleaned_data
            )
            return _saved(request, rule, rule.secret.get("secret", ""))
        except Refused as refusal:
            form.refuse(refusal)
    context = {"form": form, "back": back, "heading": "New alert rule", "section": SECTION}
    status = 422 if form.is_bound else 200
    return render_dialog(request, "reporting/alert_edit.html", context, status=status)


@account_view(Permission.EDIT_SETTINGS)
@require_http_methods(["GET", "POST"])
def alert_edit(request: Request, rule: UUID) -> HttpResponse:
    found = _find(request, rule)
    form = AlertRuleEditForm.of(found, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            secret = alerts.edit_rule(
                Actor.of(request), found, _portal(request), **form.cleaned_data
            )
            return _saved(request, found, secret)
        except Refused as refusal:
            form.refuse(refusal)
    context = _context(found, "Edit alert rule") | {"form": form}
    status = 422 if form.is_bound else 200
    return render_dialog(request, "reporting/alert_edit.html", context, status=status)


def _saved(request: Request, rule: AlertRule, secret: str) -> HttpResponse:
    """Back to the rule; of a webhook the secret is shown first, this once."""
    context = _context(rule, "Secret of the webhook")
    if not secret:
        return done(request, "Saved.", context["back"])
    answer = render_dialog(request, "reporting/alert_secret.html", context | {"secret": secret})
    answer["Cache-Control"] = "no-store"
    return answer


@account_view(Permission.EDIT_SETTINGS)
@require_http_methods(["GET", "POST"])
def alert_delete(request: Request, rule: UUID) -> HttpResponse:
    found = _find(request, rule)
    if request.method == "POST":
        alerts.delete_rule(Actor.of(request), found)
        back = reverse("reporting:alert_list", args=[request.account.pk])
        return done(request, f"The rule “{found}” is deleted.", back)
    context = _context(found, "Delete alert rule")
    return render_dialog(request, "reporting/alert_delete.html", context)


@account_view(Permission.EDIT_SETTINGS)
@require_POST
def alert_pause(request: Request, rule: UUID) -> HttpResponse:
    """Pause it, or let it go on: ``pause`` says which."""
    found = _find(request, rule)
    is_pause = request.POST.get("pause") == "yes"
    change = alerts.pause_rule if is_pause else alerts.resume_rule
    back = _context(found, "")["back"]
    try:
        change(Actor.of(request), found)
    except Refused as refusal:
        return done(request, str(refusal), back, level=messages.ERROR)
    said = "Paused. Nothing is sent by this rule." if is_pause else "It sends again from now on."
    return done(request, said, back)


@account_view(Permission.EDIT_SETTINGS)
@require_POST
def alert_test(request: Request, rule: UUID) -> HttpResponse:
    found = _find(request, rule)
    back = _context(found, "")["back"]
    try:
        alerts.send_test(Actor.of(request), found)
    except Refused as refusal:
        return done(request, str(refusal), back, level=messages.ERROR)
    return done(request, "A test was requested. The log below says how it went.", back)


def _find(request: Request, rule: UUID) -> AlertRule:
    found: AlertRule = get_object_or_404(
        AlertRule.objects.defer("secret"), pk=rule, account=request.account
    )
    found.account = request.account
    return found


def _context(rule: AlertRule, heading: str) -> dict[str, Any]:
    back = reverse("reporting:alert_detail", args=[rule.account_id, rule.pk])
    return {"rule": rule, "back": back, "heading": heading, "section": SECTION}


def _portal(request: Request) -> str:
    """The portal's own address: where links of mails begin, as those of invitations do."""
    return request.build_absolute_uri("/")[:300]
