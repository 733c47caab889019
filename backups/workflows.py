"""Backup, restore and delete of a server: what happens after somebody asked.

Steps run in any worker, any number of times (engine README). The power state
before is the power state after, on success, failure and cancel (R053, R023).
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
from portal import engine
from portal.clouds.api import CloudRefused, Copy, NotFound, Operation, PowerState
from portal.engine import clock
from portal.engine.interrupting import was_interrupted
from portal.engine.workflow import Job, Later, Learned, Step, Workflow
from portal.models import Infrastructure, Resource, Task
from portal.notify import Kind, Level, tell

if TYPE_CHECKING:
    from portal.audit import Actor

# How long a guest may take to shut down before its power is cut.
GUEST_SHUTDOWN_SECONDS = 300
GUEST_LOOK_SECONDS = 5


def _was_on(args: Learned, memory: Learned) -> bool:
    """Whether its power has to be cut, and put back. A server that is kept running is let be."""
    return bool(memory.get("power") == PowerState.ON and not args.get("keep_running"))


# Looking at the server, and its power


def _look_at_server(job: Job) -> Learned:
    server = job.cloud.server(job.args["server"])
    may_run = job.args["may_power_off"] or job.args.get("keep_running", False)
    if server.power != PowerState.OFF and not may_run:
        raise CloudRefused(
            f"{server.name} is running, but was off when this was requested.",
            advice="Request it again and accept that the server is powered off.",
        )
    power = PowerState.OFF if server.power == PowerState.OFF else PowerState.ON
    return {"power": str(power), "size": server.size_bytes}


def _shut_down(job: Job) -> Operation | None:
    return job.cloud.ensure_shut_down(job.args["server"])


def _cut_power(job: Job) -> Operation | None:
    return job.cloud.ensure_off(job.args["server"])


def _power_on(job: Job) -> Operation | None:
    return job.cloud.ensure_on(job.args["server"])


def _await_guest(job: Job) -> None:
    """In a clean-up: a guest that was asked to shut down must have done so before it is started."""
    if "shut_down" not in job.begun or "power_off" in job.begun:
        return
    if job.cloud.server(job.args["server"]).power != PowerState.OFF:
        raise Later(GUEST_LOOK_SECONDS, "Waiting for the guest to finish shutting down")


def note_power(state: str) -> engine.Save:
    """Return a hook that mirrors this power state."""

    def save(task: Task, learned: Learned) -> Learned:
        """Mirror the power state while the task holds the server."""
        now = clock.now()
        if task.resource_id is None:
            raise ValueError(f"task {task.pk} of a server has none")
        resources = Resource.objects.filter(pk=task.resource_id)
        resources.exclude(power_state=state).update(power_state=state, power_changed_at=now)
        return learned

    return save


def _save_look(task: Task, learned: Learned) -> Learned:
    note_power(learned["power"])(task, learned)
    return learned


LOOK = Step("look", "Check the server", _look_at_server, save=_save_look)
SHUT_DOWN = Step(
    "shut_down",
    "Shut the guest down",
    _shut_down,
    when=_was_on,
    weight=2,
    timeout_seconds=GUEST_SHUTDOWN_SECONDS,
    may_time_out=True,
)
POWER_OFF = Step("power_off", "Power off", _cut_power, when=_was_on, save=note_power("off"))
POWER_ON = Step("power_on", "Power on", _power_on, when=_was_on, save=note_power("on"))
AWAIT_GUEST = Step(
    "await_guest",
    "Let the guest finish shutting down",
    _await_guest,
    when=_was_on,
    timeout_seconds=GUEST_SHUTDOWN_SECONDS,
    may_time_out=True,
)
POWER_BACK = Step("power_back", "Power on again", _power_on, when=_was_on, save=note_power("on"))


def _ran_on(task: Task) -> bool:
    """Whether the server was running and was let run."""
    return bool(task.args.get("keep_running") and task.memory["power"] == PowerState.ON)


# Backup


def _copy(job: Job) -> Operation | Learned:
    answer = job.cloud.ensure_copy(job.args["server"], job.token, mark_of(job))
    if isinstance(answer, Copy):
        return {"copy": answer.id}
    return answer


def _check_copy(job: Job) -> Learned:
    copy = job.cloud.find_copy(job.memory["copy"])
    if copy.size_bytes < job.memory["size"]:
        raise CloudRefused(
            f"The copy holds {copy.size_bytes} bytes of {job.memory['size']}; it is not complete.",
            advice="Look at the storage of the cloud, then create the backup again.",
        )
    return {"size": copy.size_bytes}


def _remove_copy(job: Job) -> Operation | None:
    if "copy" not in job.begun:
        return None
    return job.cloud.ensure_no_copy(job.token)


CHECK = Step("check", "Check the copy", _check_copy)
REMOVE_COPY = Step("remove_copy", "Remove the incomplete copy", _remove_copy)


@engine.register
class CreateBackup(Workflow):
    """Shut down, copy the disk, switch on again, check the copy."""

    kind = "create_backup"
    steps: ClassVar[tuple[Step, ...]] = (
        LOOK,
        SHUT_DOWN,
        POWER_OFF,
        Step("copy", "Copy the disk", _copy, weight=6),
        POWER_ON,
        CHECK,
    )
    cleanup: ClassVar[tuple[Step, ...]] = (
        AWAIT_GUEST,
        REMOVE_COPY,
        POWER_BACK,
    )

    def done(self, task: Task) -> None:
        """The backup is good: it was found complete at the cloud."""
        backup = Backup.objects.get(task=task)
        backup.move_to(
            Backup.Status.READY,
            completed_at=clock.now(),
            size_bytes=task.memory["size"],
            external_id=task.memory["copy"],
            is_crash_consistent=backup.is_crash_consistent or _ran_on(task),
        )
        if task.parent_id is None:
            title = f"Backup of {backup.resource} created"
            tell_of(task, Level.INFO, title, backup.name, kind=Kind.BACKUP)

    def failed(self, task: Task) -> None:
        backup = Backup.objects.get(task=task)
        if task.state == Task.State.CANCELED:
            backup.move_to(Backup.Status.CANCELED)
            title = f"Backup of {backup.resource} cancelled"
            tell_of(task, Level.INFO, title, backup.name, kind=Kind.BACKUP)
            return
        backup.move_to(Backup.Status.FAILED, error=task.error)
        title = f"Backup of {backup.resource} failed"
        body = f"“{backup.name}”: {task.error} {task.advice}"
        tell_of(task, Level.ERROR, title, body, kind=Kind.BACKUP)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        from backups import services  # services start workflows; the retry is the one way back

        backup = Backup.objects.get(task=task)
        return services.create_backup(
            actor,
            backup.resource,
            name=backup.name,
            description=backup.description,
            may_power_off=task.args["may_power_off"],
            keep_running=task.args.get("keep_running", False),
            type_=backup.type,
        ).task


# Restore


def _look_at_both(job: Job) -> Learned:
    if from_replica(job.args, job.memory):
        return _look_at_server(job)
    try:
        job.cloud.find_copy(job.args["copy"])
    except NotFound as error:
        raise NotFound(
            "The backup is no longer at the cloud, so nothing was changed.",
            advice="Restore another backup, and delete this one from the list.",
        ) from error
    return _look_at_server(job)


def _set_aside(job: Job) -> Operation | None:
    return job.cloud.ensure_undo(job.args["server"], job.token, mark_of(job))


def _swap(job: Job) -> Operation | None:
    return job.cloud.ensure_restored(job.args["server"], copy_of(job), job.token)


def _drop_undo(job: Job) -> Operation | None:
    return job.cloud.ensure_no_undo(job.token)


def _stop_for_undo(job: Job) -> Operation | None:
    """The disks can only be put back while the server is off."""
    if "swap" not in job.begun or "drop" in job.begun:
        return None
    return job.cloud.ensure_off(job.args["server"])


def _put_back(job: Job) -> Operation | None:
    if "swap" not in job.begun or "drop" in job.begun:
        return None
    return job.cloud.ensure_undone(job.args["server"], job.token)


def _is_put_back(args: Learned, memory: Learned) -> bool:
    """What was set aside is the only old disk until it is back: never drop it before."""
    return not memory.get("put_back_timed_out")


def _drop_what_was_set_aside(job: Job) -> Operation | None:
    if "set_aside" not in job.begun:
        return None
    return job.cloud.ensure_no_undo(job.token)


@engine.register
class RestoreBackup(Workflow):
    """Put clones of the backup's disks in place of the server's; keep the old ones to the end."""

    kind = "restore_backup"
    steps: ClassVar[tuple[Step, ...]] = (
        *FETCH,
        Step("look", "Check the server and the backup", _look_at_both, save=_save_look),
        SHUT_DOWN,
        POWER_OFF,
        Step("set_aside", "Set the present disk aside", _set_aside, weight=3),
        Step("swap", "Put the backup's disk in place", _swap, weight=4),
        POWER_ON,
        Step("drop", "Drop the old disk", _drop_undo, is_committed=True),
        *drop_fetched(),
    )
    cleanup: ClassVar[tuple[Step, ...]] = (
        AWAIT_GUEST,
        Step("stop_for_undo", "Power off", _stop_for_undo),
        Step("put_back", "Put the old disk back", _put_back),
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
        body = f"{task.error} {_disk_after(task)} {task.advice}".strip()
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


def _disk_after(task: Task) -> str:
    """Which disk a server has after a restore that did not end well."""
    if was_interrupted(task):
        return "Which disk it has is not known: look at the server."
    if any(record["name"] == "drop" for record in task.steps):
        return "The restore itself is complete."
    if _is_put_back(task.args, task.memory):
        return "It has its former disk."
    if task.account and task.account.infrastructure == Infrastructure.AZURE:
        return f"Its former disk is kept; it carries the tag standby-undo={task.token}."
    return f"Its former disk is kept as the virtual machine standby-undo-{task.token}."


# Delete


def _remove(job: Job) -> Operation | None:
    return job.cloud.ensure_no_copy(job.args["token"], job.args["copy"])


def _look_what_is_left(job: Job) -> Learned:
    """After a failure the list must say what is true: the copy may be gone nevertheless."""
    if "remove" not in job.begun or not job.args["copy"]:
        return {}
    try:
        job.cloud.find_copy(job.args["copy"])
    except NotFound:
        return {"is_gone": True}
    return {}


@engine.register
class DeleteBackup(Workflow):
    """Remove the copy. Once begun it cannot be cancelled: half a deletion is none."""

    kind = "delete_backup"
    steps: ClassVar[tuple[Step, ...]] = (
        REMOVE_REPLICAS,
        REMOVE_SENT,
        Step("remove", "Remove the copy", _remove, is_committed=True),
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


engine.after("create_backup", retention.trim_after)
engine.after("delete_backup", retention.trim_on, however=True)


def tell_of(task: Task, level: str, title: str, body: str, *, kind: str) -> None:
    """Tell the task's account how it ended."""
    if task.account is None:
        raise ValueError(f"task {task.pk} of a backup has no account")
    tell(task.account, level, title, body, kind=kind, task=task)
