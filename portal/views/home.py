"""Where a person lands, and how they find their accounts."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from portal.access import LAST_ACCOUNT, Request, signed_in
from portal.account_tables import AccountTable
from portal.models import Account
from portal.tables import searched, show_table
from portal.uuids import as_uuid

# More than these are found by the switcher's search instead of by scrolling.
SWITCHER_ROWS = 50


@signed_in
@require_GET
def home(request: Request) -> HttpResponse:
    """The account last looked at, else the first, else a page that says what to do."""
    visible = Account.objects.visible_to(request.user)
    last = as_uuid(request.COOKIES.get(LAST_ACCOUNT, ""))
    account = visible.filter(pk=last).first() if last else None
    account = account or visible.order_by("organization__name", "name").first()
    if account:
        return redirect("reporting:overview", account=account.pk)
    return render(request, "portal/home.html")


@signed_in
@require_GET
def account_list(request: Request) -> HttpResponse:
    accounts = Account.objects.visible_to(request.user).select_related(
        "organization__customer", "cloud_account"
    )
    query = searched(request)
    if not query and not accounts.exists():
        return render(request, "portal/home.html")
    if query:
        accounts = accounts.filter(name__icontains=query)
    table = AccountTable(accounts)
    return show_table(request, "portal/account_list.html", table, {"q": query})


@signed_in
@require_GET
def account_switcher(request: Request) -> HttpResponse:
    """The accounts whose name holds ``q``, for the menu in the top bar."""
    query = searched(request)
    if not request.htmx:
        return redirect(f"{reverse('portal:account_list')}?{urlencode({'q': query})}")
    visible = Account.objects.visible_to(request.user).select_related("organization__customer")
    order = ("organization__customer__name", "organization__name", "organization_id", "name")
    accounts = visible.filter(name__icontains=query).order_by(*order)[:SWITCHER_ROWS]
    return render(request, "portal/_switcher_list.html", {"accounts": accounts, "q": query})
