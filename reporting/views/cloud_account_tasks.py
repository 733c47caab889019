"""A task of a cloud account itself: its steps, what the cloud said, and Cancel."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from portal.access import Request, cloud_account_view
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import CloudAccount, Task
from portal.refusals import Refused
from reporting import services
from reporting.detail import cloud_detail_of

PAGE = "reporting/cloud_account_task.html"


@cloud_account_view(manage=False)
@require_GET
def cloud_account_task(request: Request, cloud_account: CloudAccount, task: UUID) -> HttpResponse:
    return render(request, PAGE, _context(cloud_account, _find(cloud_account, task)))


@cloud_account_view(manage=False)
@require_http_methods(["GET", "POST"])
def cloud_account_task_cancel(
    request: Request, cloud_account: CloudAccount, task: UUID
) -> HttpResponse:
    """Whoever may see a cloud account may start its tasks, and so stop them."""
    found = _find(cloud_account, task)
    context = _context(cloud_account, found)
    status = 200
    if request.method == "POST":
        try:
            services.cancel_task(Actor.of(request), found)
            return done(request, f"Cancel of “{found}” requested.", context["back"])
        except Refused as refusal:
            context["refusal"], status = str(refusal), 422
    elif not services.may_cancel(found):
        context["refusal"] = services.NOT_CANCELABLE
    template = "reporting/task_cancel.html"
    return render_dialog(request, template, context, page=PAGE, status=status)


def _find(cloud_account: CloudAccount, task: UUID) -> Task:
    tasks = Task.objects.filter(cloud_account=cloud_account, account=None)
    found: Task = get_object_or_404(tasks.select_related("requested_by"), pk=task)
    found.cloud_account = cloud_account
    return found


def _context(cloud_account: CloudAccount, task: Task) -> dict[str, Any]:
    return {
        **cloud_detail_of(task),
        "cloud_account": cloud_account,
        "is_moving": task.is_active,
        "back": reverse("reporting:cloud_account_task", args=[cloud_account.pk, task.pk]),
        "section": "portal:cloud_account_list",
    }
