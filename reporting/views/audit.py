"""The audit trail: who did what, when, from where (R163)."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from portal.access import Permission, Request, account_view, wants_fragment
from portal.models import AuditEntry, Customer
from reporting.forms import AuditFilterForm
from reporting.paging import Order, capped_count, page_of


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def audit_list(request: Request) -> HttpResponse:
    form = AuditFilterForm(request.GET, account=request.account)
    may_look_above = Permission.VIEW_CLOUD_ACCOUNTS in request.permissions
    looks_above = may_look_above and form.chosen("scope")
    entries = _entries_above(request) if looks_above else _entries(request)
    entries = entries.filter(form.condition())
    order = Order.parse(request.GET.get("sort", ""), ("at",), "-at")
    context = {
        "form": form,
        "page": page_of(entries, order, request.GET),
        "total": capped_count(entries),
        "may_look_above": may_look_above,
    }
    template = "reporting/_audit.html" if wants_fragment(request) else "reporting/audit_list.html"
    return render(request, template, context)


def _entries(request: Request) -> QuerySet[AuditEntry]:
    return AuditEntry.objects.filter(account=request.account)


def _entries_above(request: Request) -> QuerySet[AuditEntry]:
    """What was done to the organization; for the customer's administrators, to all of the customer.

    Cloud accounts, organizations and roles granted on them: it belongs to no account.
    """
    organization = request.account.organization
    above = AuditEntry.objects.filter(account=None)
    administered = Customer.objects.administered_by(request.user)
    if administered.filter(pk=organization.customer_id).exists():
        return above.filter(customer=organization.customer_id)
    return above.filter(organization=organization)
