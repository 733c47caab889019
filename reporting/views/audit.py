"""The audit trail: who did what, when, from where (R163)."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from portal.access import Permission, Request, account_view, wants_fragment
from portal.models import Account, AuditEntry, Customer, Organization
from portal.paging import Order, page_of, total_of
from portal.services.people import people_of
from reporting.forms import AuditFilterForm


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def audit_list(request: Request) -> HttpResponse:
    form = AuditFilterForm(request.GET, account=request.account)
    may_look_above = Permission.VIEW_CLOUD_ACCOUNTS in request.permissions
    entries = _entries(request, form.chosen("scope") if may_look_above else "")
    entries = entries.filter(form.condition())
    order = Order.parse(request.GET.get("sort", ""), ("at",), "-at")
    page = page_of(entries, order, request.GET)
    context = {
        "form": form,
        "page": page,
        "total": total_of(page, entries),
        "may_look_above": may_look_above,
    }
    template = "reporting/_audit.html" if wants_fragment(request) else "reporting/audit_list.html"
    return render(request, template, context)


def _entries(request: Request, scope: str) -> QuerySet[AuditEntry]:
    """Entries of the account; or, for administrators above it, of what they administer.

    ``above``: cloud accounts, organizations and roles on them, which belong to no account; and
    accounts that are terminated, whose pages are gone (Q1).
    ``sign-ins``: those of people who have a role on it or below; nobody else's.
    """
    if not scope:
        return AuditEntry.objects.filter(account=request.account)
    administered = _administered(request)
    above = AuditEntry.objects.filter(_of_no_account(administered))
    if scope == AuditFilterForm.SIGN_INS:
        people = people_of(administered).values_list("pk", flat=True)
        return above.filter(target_type="user", target_id__in=list(map(str, people)))
    if isinstance(administered, Customer):
        return above.filter(customer=administered)
    return above.filter(organization=administered)


def _of_no_account(administered: Customer | Organization) -> Q:
    is_customer = isinstance(administered, Customer)
    scope = "organization__customer" if is_customer else "organization"
    gone = Account.objects.filter(terminating_at__isnull=False, **{scope: administered})
    # Asked first: with a subquery in its place the database would read the whole trail.
    keys = list(gone.values_list("pk", flat=True))
    return Q(account=None) | Q(account__in=keys) if keys else Q(account=None)


def _administered(request: Request) -> Customer | Organization:
    """The customer for its administrators, the organization for its own."""
    organization = request.account.organization
    customers = Customer.objects.administered_by(request.user)
    if customers.filter(pk=organization.customer_id).exists():
        return organization.customer
    return organization
