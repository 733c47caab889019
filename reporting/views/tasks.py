"""Tasks: the list, one task, the widget in the header, and what can be done with a task."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from backups.panels import system_url
from portal.access import Permission, Request, account_view, require, wants_fragment
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Task
from portal.refusals import Refused
from portal.uuids import as_uuid
from reporting import services
from reporting.course import lines_of, queue_of
from reporting.forms import TaskFilterForm
from reporting.paging import PAGE_LENGTH, Order, capped_count, page_of
from reporting.words import AFTER_CANCEL, BEFORE_RETRY, kind_label

SORTS = ("created_at", "title")
# More failed tasks than these are not counted to the last one.
FAILED_CAP = 1000
WIDGET_ACTIVE, WIDGET_ENDED = 10, 5


def _tasks(request: Request) -> QuerySet[Task]:
    tasks = Task.objects.filter(account=request.account)
    return tasks.select_related("requested_by", "resource")


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def task_list(request: Request) -> HttpResponse:
    form = TaskFilterForm(request.GET)
    tasks = _tasks(request).filter(form.condition())
    order = Order.parse(request.GET.get("sort", ""), SORTS, "-created_at")
    page = page_of(tasks, order, request.GET)
    context = {
        "form": form,
        "page": page,
        "total": capped_count(tasks),
        "active": [task for task in page.rows if task.is_active],
    }
    if wants_fragment(request):
        return render(request, "reporting/_tasks.html", context)
    failed = Task.objects.filter(account=request.account, state=Task.State.FAILED)
    context["failed_count"] = capped_count(failed, FAILED_CAP)
    return render(request, "reporting/task_list.html", context)


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def task_progress(request: Request) -> HttpResponse:
    """How the tasks named by ``task`` stand, in one answer; asks no more when all have ended."""
    if not wants_fragment(request):
        return redirect("reporting:task_list", request.account.pk)
    ids = [key for key in map(as_uuid, request.GET.getlist("task")[:PAGE_LENGTH]) if key]
    tasks = list(_tasks(request).filter(pk__in=ids))
    active = [task for task in tasks if task.is_active]
    context = {"tasks": tasks, "active": active}
    return render(request, "reporting/_tasks_progress.html", context)


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def task_detail(request: Request, task: UUID) -> HttpResponse:
    context = _detail(request, get_object_or_404(_tasks(request), pk=task))
    template = "reporting/_task.html" if wants_fragment(request) else "reporting/task_detail.html"
    return render(request, template, context)


def _detail(request: Request, task: Task) -> dict[str, Any]:
    """What a task's page shows, and what the person may do there."""
    manages = Permission.MANAGE_TASKS in request.permissions
    may_start = services.permission_for(task) in request.permissions
    resource = task.resource
    return {
        "task": task,
        "kind": kind_label(task.kind),
        "lines": lines_of(task),
        "queue": queue_of(task),
        "entity_url": system_url(resource) if resource and resource.is_server else "",
        "looks_again_at": task.next_wake_at if _will_look(task) else None,
        "may_cancel": manages and services.may_cancel(task),
        "may_retry": manages and may_start and services.may_retry(task),
        "may_acknowledge": manages and not task.is_active and task.acknowledged_at is None,
    }


def _will_look(task: Task) -> bool:
    is_waiting = task.is_active and task.state != Task.State.QUEUED
    return is_waiting and task.next_wake_at > timezone.now()


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request", "HX-Target")
def task_widget(request: Request) -> HttpResponse:
    """The header's count of tasks; or, for its list, the tasks themselves (R161)."""
    if not wants_fragment(request):
        return redirect("reporting:task_list", request.account.pk)
    if request.htmx.target == "task-tray":
        return _tray(request)
    return render(request, "portal/_task_count.html")


def _tray(request: Request) -> HttpResponse:
    tasks = _tasks(request).in_widget()  # type: ignore[attr-defined]  # TaskQuerySet
    newest = tasks.order_by("-created_at")
    active = list(newest.active()[:WIDGET_ACTIVE])
    ended = list(newest.exclude(state__in=Task.ACTIVE)[:WIDGET_ENDED])
    context = {
        "tasks": active + ended,
        "is_active": bool(active),
        "ended": ended,
        "manages": Permission.MANAGE_TASKS in request.permissions,
    }
    return render(request, "reporting/_task_tray.html", context)


@account_view(Permission.MANAGE_TASKS)
@require_http_methods(["GET", "POST"])
def task_cancel(request: Request, task: UUID) -> HttpResponse:
    found = get_object_or_404(_tasks(request), pk=task)
    context = _dialog_context(request, found, AFTER_CANCEL)
    if request.method != "POST":
        if not services.may_cancel(found):
            context["refusal"] = "This task has ended, or can no longer be stopped."
        return _dialog(request, "reporting/task_cancel.html", context)
    try:
        services.cancel_task(Actor.of(request), found)
    except Refused as refusal:
        context["refusal"] = str(refusal)
        return _dialog(request, "reporting/task_cancel.html", context, status=422)
    return done(request, f"Cancel of “{found}” requested.", context["back"])


@account_view(Permission.MANAGE_TASKS)
@require_http_methods(["GET", "POST"])
def task_retry(request: Request, task: UUID) -> HttpResponse:
    found = get_object_or_404(_tasks(request), pk=task)
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
    return {**_detail(request, task), "back": back, "consequence": words.get(task.kind, "")}


def _dialog(
    request: Request, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    page = "reporting/task_detail.html"
    return render_dialog(request, template, context, page=page, status=status)


@account_view(Permission.MANAGE_TASKS)
@require_POST
def task_acknowledge(request: Request, task: UUID) -> HttpResponse:
    found = get_object_or_404(_tasks(request), pk=task)
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
