"""What the tests of these pages share: tasks as the engine would leave them."""

from __future__ import annotations

from typing import Any

from backups.models import Backup
from portal.models import Resource, Task
from tests.factories import BackupFactory, TaskFactory

HTMX = {"HX-Request": "true"}


def running_backup(resource: Resource, **changes: Any) -> Backup:
    """A backup whose task is under way, with the resource in maintenance mode."""
    name = changes.pop("name", "Under way")
    facts = {"state": Task.State.RUNNING, "percent": 42, "message": "Copy the disk"} | changes
    task = TaskFactory(
        account=resource.account,
        resource=resource,
        subject=name,
        is_exclusive=True,
        is_maintenance=True,
        **facts,
    )
    backup: Backup = BackupFactory(
        resource=resource, name=name, task=task, status=Backup.Status.CREATING, size_bytes=None,
        completed_at=None, external_id="",
    )  # fmt: skip
    Task.objects.filter(pk=task.pk).update(args={"backup": str(backup.pk)})
    return backup


def failed_backup(resource: Resource, **changes: Any) -> Backup:
    """A backup that failed and was cleaned up."""
    task = TaskFactory(
        account=resource.account, resource=resource, state=Task.State.FAILED,
        error="Copy the disk: the container is full", advice="Make room in the container.",
    )  # fmt: skip
    backup: Backup = BackupFactory(
        resource=resource, task=task, status=Backup.Status.FAILED, size_bytes=None,
        completed_at=None, external_id="", error=task.error, **changes,
    )  # fmt: skip
    return backup
