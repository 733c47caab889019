"""Tasks: the list, one task, the widget in the header, and what can be done with a task."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from portal.access import Permission, Request, account_view, require, wants_fragment
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Task
from portal.paging import Order, capped_count, page_of, total_of
from portal.refusals import Refused
from reporting import services
from reporting.children import children_context
from reporting.detail import detail_of
from reporting.forms import TaskFilterForm, has_failed
from reporting.live import tasks_of, tray_context
from reporting.standing import standings_of
from reporting.words import AFTER_CANCEL, BEFORE_RETRY

SORTS = ("created_at", "title")
# More failed tasks than these are not counted to the last one.
FAILED_CAP = 1000


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def task_list(request: Request) -> HttpResponse:
    form = TaskFilterForm(request.GET, account=request.account)
    tasks = tasks_of(request).filter(form.condition())
    order = Order.parse(request.GET.get("sort", ""), SORTS, "-created_at")
    page = page_of(tasks, order, request.GET)
    context = {
        "form": form,
        "page": page,
        "standings": standings_of(page.rows),
        "total": total_of(page, tasks),
    }
    if wants_fragment(request):
        return render(request, "reporting/_tasks.html", context)
    if resource := form.chosen("resource"):
        context["entity"] = request.account.resources.filter(pk=resource).first()
    asked_for = Task.objects.filter(account=request.account).on_top()
    failed = asked_for.filter(has_failed(request.account))
    context["failed_count"] = capped_count(failed, FAILED_CAP)
    return render(request, "reporting/task_list.html", context)


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request", "HX-Target")
def task_detail(request: Request, task: UUID) -> HttpResponse:
    context = detail_of(request, get_object_or_404(tasks_of(request), pk=task))
    if not wants_fragment(request):
        context |= children_context(request, context["standing"])
        return render(request, "reporting/task_detail.html", context)
    if request.htmx.target == "rows":
        context = children_context(request, context["standing"])
        return render(request, "reporting/_task_children.html", context)
    return render(request, "reporting/_task.html", context)


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def task_widget(request: Request) -> HttpResponse:
    """The list of the header's widget, and what the header counts (R161)."""
    if not wants_fragment(request):
        return redirect("reporting:task_list", request.account.pk)
    return _tray(request)


def _tray(request: Request) -> HttpResponse:
    return render(request, "reporting/_task_widget.html", tray_context(request))


@account_view(Permission.VIEW)
@require_http_methods(["GET", "POST"])
def task_cancel(request: Request, task: UUID) -> HttpResponse:
    found = get_object_or_404(tasks_of(request), pk=task)
    require(request, services.permission_for(found))
    context = _dialog_context(request, found, AFTER_CANCEL)
    if request.method != "POST":
        if not services.may_cancel(found):
            context["refusal"] = services.NOT_CANCELABLE
        return _dialog(request, "reporting/task_cancel.html", context)
    try:
        services.cancel_task(Actor.of(request), found)
    except Refused as refusal:
        context["refusal"] = str(refusal)
        return _dialog(request, "reporting/task_cancel.html", context, status=422)
    return done(request, f"Cancel of “{found}” requested.", context["back"])


@account_view(Permission.VIEW)
@require_http_methods(["GET", "POST"])
def task_retry(request: Request, task: UUID) -> HttpResponse:
    found = get_object_or_404(tasks_of(request), pk=task)
    require(request, services.permission_for(found))
    context = _dialog_context(request, found, BEFORE_RETRY)
    if request.method != "POST":
        if not services.may_retry(found):
            context["refusal"] = services.NOT_RETRIABLE
        return _dialog(request, "reporting/task_retry.html", context)
    try:
        again = services.retry_task(Actor.of(request), found)
    except Refused as refusal:
        context["refusal"] = str(refusal)
        return _dialog(request, "reporting/task_retry.html", context, status=422)
    to = reverse("reporting:task_detail", args=[request.account.pk, again.pk])
    return done(request, f"“{again}” requested again.", to)


def _dialog_context(request: Request, task: Task, words: dict[str, str]) -> dict[str, Any]:
    back = reverse("reporting:task_detail", args=[request.account.pk, task.pk])
    context = detail_of(request, task)
    if not wants_fragment(request):
        context |= children_context(request, context["standing"])
    return {**context, "back": back, "consequence": words.get(task.kind, "")}


def _dialog(
    request: Request, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    page = "reporting/task_detail.html"
    return render_dialog(request, template, context, page=page, status=status)


@account_view(Permission.MANAGE_TASKS)
@require_POST
def task_acknowledge(request: Request, task: UUID) -> HttpResponse:
    found = get_object_or_404(tasks_of(request), pk=task)
    back = reverse("reporting:task_detail", args=[request.account.pk, found.pk])
    try:
        services.acknowledge_task(Actor.of(request), found)
    except Refused as refusal:
        return done(request, str(refusal), back, level=messages.ERROR)
    if request.htmx.target == "task-tray":
        return _tray(request)
    return done(request, f"“{found}” acknowledged. It stays on the Tasks page.", back)


@account_view(Permission.MANAGE_TASKS)
@require_POST
def task_acknowledge_all(request: Request) -> HttpResponse:
    services.acknowledge_all(Actor.of(request), request.account)
    if request.htmx.target == "task-tray":
        return _tray(request)
    back = reverse("reporting:task_list", args=[request.account.pk])
    return done(request, "Ended tasks acknowledged. They stay on the Tasks page.", back)
