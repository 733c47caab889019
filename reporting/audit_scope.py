"""Which entries of the audit trail a person looks at: the account's, or those above it."""

from __future__ import annotations

from django.db.models import F, Q, QuerySet, TextField, Value
from django.db.models.functions import Coalesce

from portal.access import Permission, Request
from portal.models import Account, AuditEntry, Customer, Organization
from portal.services.people import people_of
from reporting.forms import AuditFilterForm


def may_look_above(request: Request) -> bool:
    """Whether this person administers what is above the account too."""
    return Permission.VIEW_CLOUD_ACCOUNTS in request.permissions


def entries_above(request: Request, scope: str) -> QuerySet[AuditEntry] | None:
    """Entries of what the person administers, that belong to no account; None without a scope.

    ``above``: cloud accounts, organizations and roles on them; and accounts that are terminated,
    whose pages are gone (Q1). ``sign-ins``: those of people who have a role on it or below; nobody
    else's.
    """
    if not scope or not may_look_above(request):
        return None
    administered = _administered(request)
    above = AuditEntry.objects.filter(_of_no_account(administered)).annotate(
        organization_label=F("organization__name"),
        account_label=Coalesce(F("account__name"), Value(""), output_field=TextField()),
    )
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
