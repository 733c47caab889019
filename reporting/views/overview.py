"""The overview: is everything protected, what needs a hand, what goes on."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from disaster_recovery.sites import sites_of
from disaster_recovery.standing import glance_of
from portal.access import Permission, Request, account_view, wants_fragment
from portal.models import Notification
from reporting.backup_calendar import calendar_of
from reporting.live import overview_context
from reporting.protection import (
    concerns_of,
    overdue_concerns_of,
    protections_of,
    recovery_concerns_of,
)
from reporting.volume_protection import volume_concerns_of, volume_counts_of

NEWS_ROWS = 5


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def overview(request: Request) -> HttpResponse:
    if not wants_fragment(request):
        return render(request, "reporting/overview.html", _state(request))
    return render(request, "reporting/_overview_state.html", _state(request))


def _state(request: Request) -> dict[str, Any]:
    """How servers and volumes stand, what runs, and what was told of late."""
    account, rights = request.account, request.permissions
    servers, volumes = protections_of(account), volume_counts_of(account)
    glance, sites = glance_of(account), sites_of(account, rights)
    concerns = concerns_of(account, servers, rights) + overdue_concerns_of(glance)
    concerns += recovery_concerns_of(glance)
    unread = Notification.objects.unread_by(request.user, account)
    return {
        "glance": glance,
        "sites": sites,
        "calendar": calendar_of(account, glance, sites.kinds),
        "servers": servers,
        "volumes": volumes,
        "concerns": concerns + volume_concerns_of(account, volumes, rights),
        "may_assign": Permission.ASSIGN_MACHINES in rights,
        "notifications": list(unread.order_by("-created_at")[:NEWS_ROWS]),
        **overview_context(request),
    }
