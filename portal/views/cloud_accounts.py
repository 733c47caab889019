"""Cloud accounts, for customer and organization administrators (R110 to R112)."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html_join
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.access import Request, administrators, cloud_account_view
from portal.account_tables import CloudAccountTable
from portal.audit import Actor
from portal.cloud_account_forms import CREATE_FORMS, EDIT_FORMS
from portal.dialogs import done, render_dialog
from portal.live import Moved, draws
from portal.models import Account, CloudAccount, Infrastructure, Resource, Task
from portal.paging import numbered
from portal.refusals import Refused
from portal.services import cloud_accounts
from portal.tables import searched, show_table
from portal.uuids import as_uuid

MACHINES_A_PAGE = 50
RECENT_TASKS = 10


@administrators
@require_GET
def cloud_account_list(request: Request) -> HttpResponse:
    visible = CloudAccount.objects.visible_to(request.user)
    table = CloudAccountTable(visible.select_related("customer", "organization"))
    return show_table(request, "portal/cloud_account_list.html", table)


@administrators
@require_http_methods(["GET", "POST"])
def cloud_account_create(request: Request) -> HttpResponse:
    given = request.POST if request.method == "POST" else request.GET
    kind = given.get("kind", Infrastructure.AHV)
    if kind not in CREATE_FORMS:
        raise Http404
    form = CREATE_FORMS[kind](request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = cloud_accounts.create_cloud_account(Actor.of(request), **form.cleaned_data)
            message = f"{made} added. Test the connection next."
            return done(request, message, _address(made))
        except Refused as refusal:
            form.refuse(refusal)
    back = reverse("portal:cloud_account_list")
    context = {
        "form": form,
        "back": back,
        "heading": "Add cloud account",
        "kinds": [Infrastructure(each) for each in CREATE_FORMS],
    }
    status = 422 if form.is_bound else 200
    return render_dialog(request, "portal/cloud_account_create.html", context, status=status)


@cloud_account_view(manage=False)
@require_GET
def cloud_account_detail(request: Request, cloud_account: CloudAccount) -> HttpResponse:
    servers = cloud_account.servers.order_by("name")
    query = searched(request)
    if query:
        servers = servers.filter(name__icontains=query)
    page = numbered(servers, request.GET, MACHINES_A_PAGE)
    owners = _owners(request, cloud_account, [server.external_id for server in page])
    context = {
        "machines": [(server, owners.get(server.external_id)) for server in page],
        "page": page,
        "q": query,
        "tasks": cloud_account.tasks.filter(account=None).order_by("-created_at")[:RECENT_TASKS],
        "instance_types": cloud_account.instance_types.all(),
        "section": "portal:cloud_account_list",
    }
    context |= _state(request, cloud_account)
    return render(request, "portal/cloud_account_detail.html", context)


def _owners(request: Request, cloud_account: CloudAccount, ids: list[str]) -> dict[str, Any]:
    """Who each machine is assigned to, by its id; accounts out of reach are not named."""
    visible = set(
        Account.objects.visible_to(request.user)
        .filter(cloud_account=cloud_account)
        .values_list("pk", flat=True)
    )
    assigned = Resource.objects.filter(cloud_account=cloud_account, external_id__in=ids)
    return {
        resource.external_id: {
            "resource": resource,
            "account": resource.account if resource.account_id in visible else None,
        }
        for resource in assigned.select_related("account")
    }


@draws("cloud_account", of_account=False)
def cloud_account_states(request: Request, arguments: list[str]) -> Moved:
    """Health and the last tasks' standing, by id; at their end the lists below reload once."""
    keys = filter(None, map(as_uuid, arguments))
    visible = CloudAccount.objects.visible_to(request.user).select_related("customer")
    states = [_state(request, found) for found in visible.filter(pk__in=keys)]
    template = "portal/_cloud_account_state.html"
    parts = [render_to_string(template, state | {"oob": True}, request) for state in states]
    moves = any(state["is_moving"] for state in states)
    html = format_html_join("", "{}", ((part,) for part in parts))
    return Moved(html, moves, () if moves else ("settled",))


def _state(request: Request, cloud_account: CloudAccount) -> dict[str, Any]:
    tasks = Task.objects.filter(cloud_account=cloud_account, account=None)
    test = tasks.filter(kind="test_cloud_account").order_by("-created_at").first()
    sync = tasks.filter(kind="sync_inventory").order_by("-created_at").first()
    managed = CloudAccount.objects.managed_by(request.user).filter(pk=cloud_account.pk)
    return {
        "cloud_account": cloud_account,
        "test": test,
        "sync": sync,
        "is_moving": any(task and task.is_active for task in (test, sync)),
        "may_manage": managed.exists(),
    }


@cloud_account_view(manage=True)
@require_http_methods(["GET", "POST"])
def cloud_account_edit(request: Request, cloud_account: CloudAccount) -> HttpResponse:
    form = EDIT_FORMS[cloud_account.kind](cloud_account, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            cloud_accounts.edit_cloud_account(Actor.of(request), cloud_account, **form.cleaned_data)
            return done(request, "Saved.", _address(cloud_account))
        except Refused as refusal:
            form.refuse(refusal)
    context = {
        "form": form,
        "cloud_account": cloud_account,
        "back": _address(cloud_account),
        "heading": f"Edit {cloud_account}",
        "section": "portal:cloud_account_list",
    }
    status = 422 if form.is_bound else 200
    return render_dialog(request, "portal/cloud_account_edit.html", context, status=status)


@cloud_account_view(manage=False)
@require_POST
def cloud_account_test(request: Request, cloud_account: CloudAccount) -> HttpResponse:
    try:
        cloud_accounts.check_connection(Actor.of(request), cloud_account)
    except Refused as refusal:
        return done(request, str(refusal), _address(cloud_account), level=messages.WARNING)
    return done(request, "Connection test requested.", _address(cloud_account))


@cloud_account_view(manage=False)
@require_POST
def cloud_account_sync(request: Request, cloud_account: CloudAccount) -> HttpResponse:
    try:
        cloud_accounts.synchronise(Actor.of(request), cloud_account)
    except Refused as refusal:
        return done(request, str(refusal), _address(cloud_account), level=messages.WARNING)
    return done(request, "Synchronisation requested.", _address(cloud_account))


def _address(cloud_account: CloudAccount) -> str:
    return reverse("portal:cloud_account_detail", kwargs={"cloud_account": cloud_account.pk})
