"""What the tests of the Backups tab share: volumes, backups of them, tasks on them."""

from __future__ import annotations

from typing import Any

from backups.models import Backup
from portal.models import Account, Resource, Task
from portal.words import note_words
from tests.factories import BackupFactory, ResourceFactory, TaskFactory

HTMX = {"HX-Request": "true"}
KINDS = Resource.VOLUME_KINDS
PROFILE = Resource.Kind.ENTERPRISE_PROFILE
DESKTOP = Resource.Kind.PERSISTENT_DESKTOP
DRIVE = Resource.Kind.PERSONAL_DRIVE


def a_volume(account: Account, kind: str = PROFILE, **facts: Any) -> Resource:
    """A volume of Sofia's, or, with another name, of somebody else's; a desktop is running."""
    power = "on" if kind == DESKTOP else ""
    # One of a kind for each user.
    user = f"user.of.{facts['name']}" if "name" in facts else "sofia.lindqvist"
    defaults = {"name": "EP-sofia", "user_name": user, "power_state": power}
    made: Resource = ResourceFactory(account=account, kind=kind, **(defaults | facts))
    note_words([made.pk])
    return made


def under_way(resource: Resource, kind: str = "create_volume_backup", **facts: Any) -> Task:
    """A task on a volume, as the engine would have it meanwhile."""
    defaults = {"state": Task.State.RUNNING, "percent": 42, "title": f"Backup {resource.name}"}
    task: Task = TaskFactory(
        kind=kind, account=resource.account, resource=resource, is_exclusive=True,
        **(defaults | facts),
    )  # fmt: skip
    return task


def being_made(resource: Resource, **facts: Any) -> Backup:
    """A backup under way, and its task."""
    state = facts.pop("state", Task.State.RUNNING)
    made: Backup = BackupFactory(
        resource=resource, task=under_way(resource, state=state), status=Backup.Status.CREATING,
        size_bytes=None, completed_at=None, external_id="", **facts,
    )  # fmt: skip
    return made


def failed(resource: Resource, **facts: Any) -> Backup:
    """A backup that failed; nothing is left of it."""
    made: Backup = BackupFactory(
        resource=resource, status=Backup.Status.FAILED, size_bytes=None, completed_at=None,
        external_id="", error="Take the backup: the container is full", **facts,
    )  # fmt: skip
    return made


def missed(resource: Resource, **facts: Any) -> Backup:
    """The entry of a run that was due while nothing could run."""
    made: Backup = BackupFactory(
        resource=resource, type=Backup.Type.SCHEDULED, status=Backup.Status.MISSED, task=None,
        size_bytes=None, completed_at=None, external_id="", error="The portal was not running.",
        **facts,
    )  # fmt: skip
    return made
