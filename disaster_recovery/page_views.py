"""The Disaster recovery page: could the account return from its second site, and how."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from disaster_recovery.charts import KindBars, chart_of
from disaster_recovery.days import days_of
from disaster_recovery.live import standing_mark
from disaster_recovery.reasons import action_of, page_of, reasons_of
from disaster_recovery.sites import sites_of
from disaster_recovery.standing import standing_of
from portal.access import Permission, Request, account_view, wants_fragment


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def recovery_overview(request: Request) -> HttpResponse:
    account = request.account
    if not account.is_supported or account.is_vendor_hosted:
        return render(request, "disaster_recovery/recovery_overview_none.html", {})
    name = "_recovery_standing" if wants_fragment(request) else "recovery_overview"
    return render(request, f"disaster_recovery/{name}.html", _context(request))


def _context(request: Request) -> dict[str, Any]:
    account, rights = request.account, request.permissions
    standing = standing_of(account)
    return {
        "account": account,
        "standing": standing,
        "sites": sites_of(account, rights, standing.checks),
        "reasons": reasons_of(standing, rights),
        "kinds": [KindBars(kind) for kind in standing.kinds],
        "chart": chart_of(days_of(account)),
        "oldest": [
            (row, page_of(row, account), action_of(row, account, rights)) for row in standing.oldest
        ],
        "mark": standing_mark(account),
        "manages": Permission.MANAGE_RECOVERY in rights,
    }
