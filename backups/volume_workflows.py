"""Backup, restore and delete of desktops, profiles and drives: what happens after it was asked.

A desktop is a server to its cloud, a profile or drive a volume; each step asks with the verbs
of the one it has. None of them is taken out of service for a backup: what is in use meanwhile
is backed up crash-consistent, and the backup says so.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from backups import retention
from backups.models import Backup
from backups.replicas import (
    FETCH,
    REMOVE_REPLICAS,
    REMOVE_SENT,
    copy_of,
    drop_fetched,
    from_replica,
    mark_of,
    source_of,
)
from backups.sent_along import STOP_SENDING, TAKE_BACK, left_there, target
from backups.workflows import (
    AWAIT_GUEST,
    POWER_BACK,
    POWER_OFF,
    POWER_ON,
    SHUT_DOWN,
    note_power,
    tell_of,
)
from portal import engine
from portal.clouds.api import (
    CloudRefused,
    Copy,
    NotFound,
    Operation,
    PowerState,
    Volume,
)
from portal.engine import clock
from portal.engine.interrupting import was_interrupted
from portal.engine.workflow import Job, Learned, Step, Workflow
from portal.models import Resource, Task
from portal.notify import Kind, Level

if TYPE_CHECKING:
    from portal.audit import Actor


def _is_desktop(job: Job) -> bool:
    return bool(job.args["kind"] == Resource.Kind.PERSISTENT_DESKTOP)


# Looking


def _look(job: Job) -> Learned:
    if _is_desktop(job):
        server = job.cloud.server(job.args["server"])
        power = PowerState.OFF if server.power == PowerState.OFF else PowerState.ON
        return {
            "power": str(power),
            "size": server.size_bytes,
            "is_in_use": power != PowerState.OFF,
        }
    volume = job.cloud.volume(job.args["server"])
    return {"size": volume.size_bytes, "is_in_use": bool(volume.attached_to)}


def _save_look(task: Task, learned: Learned) -> Learned:
    if "power" in learned:
        note_power(learned["power"])(task, learned)
    return learned


# The power is not touched, so there is nothing to write down; the inventory mirrors it.
LOOK = Step("look", "Check the volume", _look)


# Backup


def _copy(job: Job) -> Operation | Learned:
    ensure = job.cloud.ensure_desktop_copy if _is_desktop(job) else job.cloud.ensure_volume_copy
    answer = ensure(job.args["server"], job.token, mark_of(job), target(job))
    return {"copy": answer.id} if isinstance(answer, Copy) else answer


def _check(job: Job) -> Learned:
    return {"stored": job.cloud.find_volume_copy(job.memory["copy"]).size_bytes}


def _remove_copy(job: Job) -> Operation | None:
    if "copy" not in job.begun:
        return None
    return job.cloud.ensure_no_volume_copy(job.token, mark_of(job))


@engine.register
class CreateVolumeBackup(Workflow):
    """Take a point in time of it, and look whether it is complete."""

    kind = "create_volume_backup"
    steps: ClassVar[tuple[Step, ...]] = (
        LOOK,
        Step("copy", "Take the backup", _copy, weight=6),
        Step("check", "Check the backup", _check),
    )
    cleanup: ClassVar[tuple[Step, ...]] = (
        STOP_SENDING,
        Step("remove_copy", "Remove the incomplete backup", _remove_copy),
        TAKE_BACK,
    )

    def done(self, task: Task) -> None:
        """The backup is good: it was found complete at the cloud."""
        backup = Backup.objects.get(task=task)
        backup.move_to(
            Backup.Status.READY,
            completed_at=clock.now(),
            size_bytes=task.memory["stored"] or task.memory["size"],
            external_id=task.memory["copy"],
            is_crash_consistent=task.memory["is_in_use"],
        )
        if task.parent_id is None and task.origin in Task.ASKED_FOR:
            title = f"Backup of {backup.resource} created"
            tell_of(task, Level.INFO, title, backup.name, kind=Kind.BACKUP)

    def failed(self, task: Task) -> None:
        """One among many is told of with the others, by the task that started them."""
        backup, left = Backup.objects.get(task=task), left_there(task)
        is_canceled = task.state == Task.State.CANCELED
        error = left if is_canceled else f"{task.error} {left}".strip()
        backup.move_to(Backup.Status.CANCELED if is_canceled else Backup.Status.FAILED, error=error)
        if task.parent_id is None and error:
            body = f"“{backup.name}”: {error} {task.advice}".strip()
            title = f"Backup of {backup.resource} {'cancelled' if is_canceled else 'failed'}"
            tell_of(task, Level.ERROR, title, body, kind=Kind.BACKUP)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        from backups import services  # services start workflows; the retry is the one way back

        backup = Backup.objects.get(task=task)
        made = services.create_volume_backup(
            actor, backup.resource, name=backup.name, type_=backup.type
        )
        return made.task


# Restore


def _look_at_both(job: Job) -> Learned:
    if not from_replica(job.args, job.memory):
        _look_at_copy(job)
    found = _look(job)
    if not _is_desktop(job) and found["is_in_use"]:
        raise CloudRefused(
            f"It is attached: {job.args['user'] or 'its user'} is in a session.",
            advice="Restore it when the session has ended.",
        )
    if _is_desktop(job) and found["is_in_use"] and not job.args["may_power_off"]:
        raise CloudRefused(
            "The desktop is running, but was off when this was requested.",
            advice="Request it again and accept that the desktop is powered off.",
        )
    return found


def _look_at_copy(job: Job) -> None:
    try:
        job.cloud.find_volume_copy(job.args["copy"])
    except NotFound as error:
        raise NotFound(
            "The backup is no longer at the cloud, so nothing was changed.",
            advice="Restore another backup, and delete this one from the list.",
        ) from error


def _set_aside(job: Job) -> Operation | None:
    ensure = job.cloud.ensure_desktop_undo if _is_desktop(job) else job.cloud.ensure_volume_undo
    return ensure(job.args["server"], job.token, mark_of(job))


def _put_in_place(job: Job) -> Operation | Learned | None:
    thing, copy = job.args["server"], copy_of(job)
    if _is_desktop(job):
        return job.cloud.ensure_desktop_restored(thing, copy, job.token, mark_of(job))
    answer = job.cloud.ensure_volume_restored(thing, copy, job.token, mark_of(job))
    return {"volume": answer.id} if isinstance(answer, Volume) else answer


def _save_identity(task: Task, learned: Learned) -> Learned:
    """A restored profile or drive is a new one at its cloud; from now on it is the resource."""
    if "volume" in learned:
        Resource.objects.filter(tasks=task).update(external_id=learned["volume"])
    return learned


def _drop_undo(job: Job) -> Operation | None:
    if _is_desktop(job):
        return job.cloud.ensure_no_desktop_undo(job.args["server"], job.token, mark_of(job))
    return job.cloud.ensure_no_volume_undo(job.args["server"], job.token, mark_of(job))


def _is_undone(job: Job) -> bool:
    """Whether there is nothing to undo, or it is too late: what was there before is gone."""
    return "swap" not in job.begun or "drop" in job.begun


def _stop_for_undo(job: Job) -> Operation | None:
    """A desktop's former disk can only be put back while it is off."""
    if _is_undone(job) or not _is_desktop(job):
        return None
    return job.cloud.ensure_off(job.args["server"])


def _put_back(job: Job) -> Operation | None:
    if _is_undone(job):
        return None
    if _is_desktop(job):
        return job.cloud.ensure_desktop_undone(job.args["server"], job.token, mark_of(job))
    return job.cloud.ensure_volume_undone(job.args["server"], job.token, mark_of(job))


def _save_former_identity(task: Task, learned: Learned) -> Learned:
    begun = {record["name"] for record in task.steps if record["state"] != "skipped"}
    if "volume" in task.memory and "drop" not in begun:
        Resource.objects.filter(tasks=task).update(external_id=task.args["server"])
    return learned


def _is_put_back(args: Learned, memory: Learned) -> bool:
    """What was set aside is all there is of it until it is back: never drop it before."""
    return not memory.get("put_back_timed_out")


def _drop_what_was_set_aside(job: Job) -> Operation | None:
    return _drop_undo(job) if "set_aside" in job.begun else None


@engine.register
class RestoreVolumeBackup(Workflow):
    """Put the backup's content in place; keep what was there until that has ended well."""

    kind = "restore_volume_backup"
    steps: ClassVar[tuple[Step, ...]] = (
        *FETCH,
        Step("look", "Check the volume and the backup", _look_at_both, save=_save_look),
        SHUT_DOWN,
        POWER_OFF,
        Step("set_aside", "Set the present content aside", _set_aside, weight=3),
        Step("swap", "Put the backup in place", _put_in_place, save=_save_identity, weight=4),
        POWER_ON,
        Step("drop", "Drop the old content", _drop_undo, is_committed=True),
        *drop_fetched(),
    )
    cleanup: ClassVar[tuple[Step, ...]] = (
        AWAIT_GUEST,
        Step("stop_for_undo", "Power off", _stop_for_undo),
        Step("put_back", "Put the old content back", _put_back, save=_save_former_identity),
        POWER_BACK,
        Step("drop_undo", "Drop what was set aside", _drop_what_was_set_aside, when=_is_put_back),
        *drop_fetched("undo_"),
    )

    def done(self, task: Task) -> None:
        title = f"{task.resource} restored"
        tell_of(task, Level.INFO, title, source_of(task), kind=Kind.RESTORE)

    def failed(self, task: Task) -> None:
        level, what = Level.ERROR, "failed"
        if task.state == Task.State.CANCELED:
            level, what = Level.INFO, "cancelled"
        if not _is_put_back(task.args, task.memory):
            level = Level.ERROR
        body = f"{task.error} {_content_after(task)} {task.advice}".strip()
        title = f"Restore of {task.resource} {what}"
        tell_of(task, level, title, body, kind=Kind.RESTORE)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        from backups import services  # services start workflows; the retry is the one way back

        backup = Backup.objects.get(pk=task.args["backup"])
        return services.restore_backup(
            actor,
            backup,
            may_power_off=task.args["may_power_off"],
            from_replica=from_replica(task.args, {}),
        )


def _content_after(task: Task) -> str:
    """What a volume holds after a restore that did not end well."""
    if was_interrupted(task):
        return "What it holds is not known: look at it."
    if any(record["name"] == "drop" for record in task.steps):
        return "The restore itself is complete."
    if _is_put_back(task.args, task.memory):
        return "It has its former content."
    return f"Its former content is kept at the cloud under the mark standby-undo-{task.token}."


# Delete


def _made_by(job: Job) -> str:
    """The token of the task that made the backup, which names its parts at the cloud."""
    return str(job.args["token"])


def _remove(job: Job) -> Operation | None:
    return job.cloud.ensure_no_volume_copy(_made_by(job), mark_of(job), job.args["copy"])


def _look_what_is_left(job: Job) -> Learned:
    """After a failure the list must say what is true: the copy may be gone nevertheless."""
    if "remove" not in job.begun or not job.args["copy"]:
        return {}
    try:
        job.cloud.find_volume_copy(job.args["copy"])
    except NotFound:
        return {"is_gone": True}
    return {}


@engine.register
class DeleteVolumeBackup(Workflow):
    """Remove the copy; what protects the volume itself stays (R083). It cannot be cancelled."""

    kind = "delete_volume_backup"
    steps: ClassVar[tuple[Step, ...]] = (
        REMOVE_REPLICAS,
        REMOVE_SENT,
        Step("remove", "Remove the backup", _remove, is_committed=True),
    )
    cleanup: ClassVar[tuple[Step, ...]] = (Step("look", "Look what is left", _look_what_is_left),)
    deadline = timedelta(minutes=30)

    def done(self, task: Task) -> None:
        Backup.objects.get(pk=task.args["backup"]).move_to(Backup.Status.DELETED)

    def failed(self, task: Task) -> None:
        backup = Backup.objects.get(pk=task.args["backup"])
        if task.memory.get("is_gone"):
            backup.move_to(Backup.Status.DELETED)
            return
        backup.move_to(task.args["status_before"])
        if task.state == Task.State.FAILED:
            title = f"Backup “{backup.name}” was not deleted"
            body = f"{task.error} {task.advice}"
            tell_of(task, Level.ERROR, title, body, kind=Kind.BACKUP)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        from backups import services  # services start workflows; the retry is the one way back

        return services.delete_backup(actor, Backup.objects.get(pk=task.args["backup"]))


engine.after("create_volume_backup", retention.trim_after)
engine.after("delete_volume_backup", retention.trim_on, however=True)
