"""Backups of many volumes, as the engine would leave them at any moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from backups.models import Backup
from portal.models import Account, Resource, Task
from tests.factories import BackupFactory, ResourceFactory, TaskFactory
from volumes.selection import Selection

STATUSES = {
    "queued": Backup.Status.CREATING,
    "running": Backup.Status.CREATING,
    "done": Backup.Status.READY,
    "failed": Backup.Status.FAILED,
    "canceled": Backup.Status.CANCELED,
}


def volume(account: Account, **facts: Any) -> Resource:
    """A Persistent Desktop somebody uses."""
    defaults = {"kind": Resource.Kind.PERSISTENT_DESKTOP, "user_name": "m.okafor"}
    made: Resource = ResourceFactory(account=account, **(defaults | facts))
    return made


def backup_of_many(
    account: Account, children: str, *, state: str = "running", **facts: Any
) -> Task:
    """A task with children in these states, ``done failed queued``; they began 10 minutes ago."""
    states = children.split()
    ends = {name: states.count(name) for name in ("done", "failed", "canceled")}
    memory = facts.pop("memory", {}) | (ends if state == "done" else {})
    skipped = sum(memory.get(reason, 0) for reason in ("busy", "full", "missing"))
    parent: Task = TaskFactory(
        kind="backup_volumes", title=f"Backup {len(states)} volumes", subject="Nightly",
        account=account, cloud_account=None, state=state, memory=memory,
        started_at=timezone.now() - timedelta(minutes=10),
        args={"selection": Selection().as_json(), "name": "Nightly", "type": "M",
              "count": len(states) + skipped},
        **facts,
    )  # fmt: skip
    for number, each in enumerate(states):
        _child(parent, each, f"pd-{number:04}")
    return parent


def _child(parent: Task, state: str, name: str) -> None:
    resource = volume(parent.account, name=name) if parent.account else None
    error = {"error": f"Take the backup: no room for {name}"} if state == "failed" else {}
    task = TaskFactory(
        kind="create_volume_backup", title=f"Backup {name}", subject="Nightly", parent=parent,
        account=parent.account, resource=resource, state=state, acknowledged_at=timezone.now(),
        is_exclusive=True, **error,
    )  # fmt: skip
    BackupFactory(resource=resource, task=task, name="Nightly", status=STATUSES[state])
