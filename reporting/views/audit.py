"""The audit trail: who did what, when, from where (R163)."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from portal.access import Permission, Request, account_view, wants_fragment
from portal.engine import clock
from portal.paging import Order, page_of, total_of
from reporting.audit_scope import entries_above, may_look_above
from reporting.exports import Wanted, rows_wanted
from reporting.forms import AuditFilterForm
from reporting.models import DataType
from reporting.records import DATA_SETS


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def audit_list(request: Request) -> HttpResponse:
    form = AuditFilterForm(request.GET, account=request.account)
    entries = rows_wanted(request.account, wanted_audit(request, form), clock.now())
    order = Order.parse(request.GET.get("sort", ""), ("at",), "-at")
    page = page_of(entries, order, request.GET)
    context = {
        "form": form,
        "page": page,
        "total": total_of(page, entries),
        "may_look_above": may_look_above(request),
    }
    template = "reporting/_audit.html" if wants_fragment(request) else "reporting/audit_list.html"
    return render(request, template, context)


def wanted_audit(request: Request, form: AuditFilterForm) -> Wanted:
    """What the filter asks for: the list on the page, and the file."""
    return Wanted(
        DATA_SETS[DataType.AUDIT_TRAIL],
        first=form.chosen("since") or None,
        last=form.chosen("until") or None,
        narrowed=form.condition(),
        among=entries_above(request, form.chosen("scope")),
        filter=form.asked,
    )
