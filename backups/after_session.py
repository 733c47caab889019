"""Backups after a session: of the server it ran on, of the volumes its user had (R131 to R135).

A profile or drive is taken off its machine first, so that its content is at rest. A server or
desktop stays on, and its backup is crash-consistent, unless the account wants it stopped.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from backups import retention, services
from backups.models import Backup
from backups.volume_workflows import LOOK, CreateVolumeBackup
from backups.workflows import (
    AWAIT_GUEST,
    POWER_BACK,
    POWER_OFF,
    POWER_ON,
    SHUT_DOWN,
    note_power,
)
from portal import engine
from portal.audit import SYSTEM
from portal.clouds.api import Operation
from portal.engine.workflow import Job, Learned, Step
from portal.models import Resource, Task

KIND = "create_volume_backup_after_session"


def back_up(resource: Resource, *, user: str, stops_server: bool, parent: Task) -> Backup:
    """Start the backup of one resource after a session of ``user``; raises Refused, Busy too."""
    name = f"After session of {user}"[: Backup._meta.get_field("name").max_length]
    if resource.is_server:
        return services.create_backup(
            SYSTEM,
            resource,
            name=name,
            may_power_off=stops_server,
            keep_running=not stops_server,
            type_=Backup.Type.AFTER_SESSION,
            origin=Task.Origin.SYSTEM,
            parent=parent,
        )
    return services.create_volume_backup(
        SYSTEM,
        resource,
        name=name,
        type_=Backup.Type.AFTER_SESSION,
        origin=Task.Origin.SYSTEM,
        parent=parent,
        kind=KIND,
        stops=stops_server and resource.is_desktop,
        detaches=not resource.is_desktop,
    )


def _detaches(args: Learned, memory: Learned) -> bool:
    return bool(args["detaches"])


def _stops(args: Learned, memory: Learned) -> bool:
    return bool(args["stops"] and memory.get("power") == "on")


def _detach(job: Job) -> Operation | None:
    return job.cloud.ensure_detached(job.args["server"])


def _note_detached(task: Task, learned: Learned) -> Learned:
    Resource.objects.filter(tasks=task).update(attached_to="")
    return learned


def _note_rest(task: Task, learned: Learned) -> Learned:
    """A desktop that was stopped for it is not in use."""
    note_power("off")(task, learned)
    return {**learned, "is_in_use": False}


@engine.register
class BackupAfterSession(CreateVolumeBackup):
    """Detach it, or stop it; then the backup as of any volume."""

    kind = KIND
    steps: ClassVar[tuple[Step, ...]] = (
        Step("detach", "Detach the volume", _detach, save=_note_detached, when=_detaches),
        LOOK,
        replace(SHUT_DOWN, when=_stops),
        replace(POWER_OFF, when=_stops, save=_note_rest),
        *CreateVolumeBackup.steps[1:2],
        replace(POWER_ON, when=_stops),
        *CreateVolumeBackup.steps[2:],
    )
    cleanup: ClassVar[tuple[Step, ...]] = (
        replace(AWAIT_GUEST, when=_stops),
        # First: the rest may wait for a link, and the desktop's user does not.
        replace(POWER_BACK, when=_stops),
        *CreateVolumeBackup.cleanup,
    )


engine.after(KIND, retention.trim_after)
