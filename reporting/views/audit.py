"""The audit trail: who did what, when, from where (R163)."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from portal.access import Permission, Request, account_view, wants_fragment
from portal.models import AuditEntry
from reporting.forms import AuditFilterForm
from reporting.paging import Order, capped_count, page_of


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def audit_list(request: Request) -> HttpResponse:
    form = AuditFilterForm(request.GET, account=request.account)
    entries = AuditEntry.objects.filter(account=request.account).filter(form.condition())
    order = Order.parse(request.GET.get("sort", ""), ("at",), "-at")
    context = {
        "form": form,
        "page": page_of(entries, order, request.GET),
        "total": capped_count(entries),
    }
    template = "reporting/_audit.html" if wants_fragment(request) else "reporting/audit_list.html"
    return render(request, template, context)
