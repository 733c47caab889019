"""What a task's page shows, and what can be done there: of an account, or of a cloud account."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils import timezone

from backups.panels import system_url
from portal.access import Permission, Request
from portal.models import Resource, Task
from reporting import services
from reporting.course import lines_of, queue_of
from reporting.standing import standing_of
from reporting.words import kind_label

RESTORES = ("restore_backup", "restore_volume_backup")


def detail_of(request: Request, task: Task) -> dict[str, Any]:
    """Context of ``reporting/_task.html`` for a task of the request's account.

    ``links`` holds the addresses of what can be done, and nothing else.
    """
    manages = Permission.MANAGE_TASKS in request.permissions
    may_start = services.permission_for(task) in request.permissions
    offered = {
        "cancel": may_start and services.may_cancel(task),
        "retry": may_start and services.may_retry(task),
        "acknowledge": manages and not task.is_active and task.acknowledged_at is None,
    }
    keys = [request.account.pk, task.pk]
    resource = task.resource
    return {
        **_facts(task),
        "live": "task",
        "whose": "account",
        "zone": request.account.zone,
        "entity": resource,
        "entity_url": page_of_resource(resource) if resource else "",
        "links": {
            name: reverse(f"reporting:task_{name}", args=keys)
            for name, is_offered in offered.items()
            if is_offered
        },
    }


def page_of_resource(resource: Resource) -> str:
    """The address of the page on which a resource stands; "" when it stands on none now."""
    if resource.is_server:
        return system_url(resource)
    if resource.is_desktop and not resource.user_name:
        return ""  # nobody has it now, so the Volumes page does not either (R007)
    return reverse("volumes:volume_detail", args=[resource.account_id, resource.pk])


def cloud_detail_of(task: Task) -> dict[str, Any]:
    """The same for a task of a cloud account itself: whoever may see that may stop it."""
    keys = [task.cloud_account_id, task.pk]
    cancel = reverse("reporting:cloud_account_task_cancel", args=keys)
    return {
        **_facts(task),
        "live": "cloud_task",
        "whose": "cloud account",
        "zone": None,
        "entity": task.cloud_account,
        "entity_url": reverse("portal:cloud_account_detail", args=[task.cloud_account_id]),
        "links": {"cancel": cancel} if services.may_cancel(task) else {},
    }


def _facts(task: Task) -> dict[str, Any]:
    will_look = task.is_active and task.state != Task.State.QUEUED
    return {
        "task": task,
        "standing": standing_of(task),
        "kind_name": kind_label(task.kind),
        "lines": lines_of(task),
        "queue": queue_of(task),
        "replica": task.args.get("replica") if task.kind in RESTORES else None,
        "looks_again_at": (
            task.next_wake_at if will_look and task.next_wake_at > timezone.now() else None
        ),
    }
