"""What a person can do with backups: one transaction each; check, change, audit, start a task."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from backups.models import Backup, IllegalTransition, Replica, settings_of
from backups.replicas import removals_of, restore_args
from backups.sent_along import secondary_of
from portal import engine
from portal.audit import SYSTEM, Actor, record
from portal.clouds.api import PowerState
from portal.models import Account, Resource, Task
from portal.refusals import Refused

# Minutes for a powered-off image of 45 GB, as the product documentation states (R024).
REFERENCE_BYTES = 45 * 2**30
REFERENCE_MINUTES = (5, 10)


class PowerOffNotAccepted(Refused):
    """The server is running, or may be, and nobody accepted that it is powered off."""

    def __init__(self, resource: Resource) -> None:
        found = "is running" if resource.is_on else "may be running"
        super().__init__(f"{resource} {found}. Accept that it is powered off meanwhile.")


class LimitReached(Refused):
    """The system holds as many manual backups as its settings allow (R038)."""

    def __init__(self, resource: Resource, held: int, limit: int) -> None:
        has = f"{resource} has {held} manual backup{'s' if held != 1 else ''}; {limit} may be kept."
        super().__init__(f"{has} Delete one, or raise the number in the settings.")


def _require_room(resource: Resource) -> None:
    """Refuse a manual backup over the cap (Q7): nothing is removed to make room (R038)."""
    limit = settings_of(resource).keep_manual
    held = Backup.objects.filter(resource=resource).held_manually().count()
    if held >= limit:
        raise LimitReached(resource, held, limit)


def estimate_minutes(size_bytes: int) -> tuple[int, int]:
    """Return the least and most minutes a copy should take while powered off (R024)."""
    scale = size_bytes / REFERENCE_BYTES
    low, high = REFERENCE_MINUTES
    return max(1, round(low * scale)), max(2, round(high * scale))


def not_restorable(backup: Backup) -> str:
    """Why a backup that is not complete cannot be restored (R004)."""
    return f"“{backup}” cannot be restored: it is {backup.get_status_display().lower()}."


def not_deletable(backup: Backup) -> str:
    """Why a backup cannot be deleted in its present state."""
    return f"“{backup}” cannot be deleted: it is {backup.get_status_display().lower()}."


def args_of(resource: Resource, backup: Backup, *, may_power_off: bool) -> dict[str, Any]:
    """What every workflow that makes or restores a backup is told of it."""
    return {
        "server": resource.external_id,
        "account": str(resource.account_id),
        "resource": str(resource.pk),
        "backup": str(backup.pk),
        "type": backup.type,
        "may_power_off": may_power_off,
    }


def require_reachable(resource: Resource) -> None:
    """Refuse what is not at its cloud account any more."""
    if resource.is_missing:
        advice = "" if resource.is_volume else ", or assign the machine anew"
        raise Refused(
            f"{resource} is no longer at {resource.cloud_account}. "
            f"Synchronise the inventory{advice}."
        )


def require_server(resource: Resource) -> None:
    """Refuse what has no panel of its own."""
    if not resource.is_server:
        raise Refused(f"{resource} is not a server.")


def restore_hindrance(resource: Resource) -> str:
    """Why nothing can be put onto it now, apart from a task on it; "" when nothing hinders.

    A volume that a session holds is not overwritten under its user (R080).
    """
    if resource.is_missing:
        return f"{resource} is no longer at {resource.cloud_account}."
    if resource.attached_to:
        user = resource.user_name or "Its user"
        return (
            f"{resource} is attached to {resource.attached_to}: {user} is in a session. "
            "Restore it when the session has ended."
        )
    return ""


def require_consent(resource: Resource, *, may_power_off: bool) -> None:
    """Refuse unless the server is known to be off, or a person accepted that it will be (R021)."""
    if resource.is_volume and not resource.is_desktop:
        return
    if resource.power_state != PowerState.OFF and not may_power_off:
        raise PowerOffNotAccepted(resource)


@transaction.atomic
def create_backup(
    actor: Actor,
    resource: Resource,
    *,
    name: str,
    description: str = "",
    may_power_off: bool,
    keep_running: bool = False,
    type_: str = Backup.Type.MANUAL,
    origin: str | None = None,
    parent: Task | None = None,
) -> Backup:
    """Start a backup of a server. Raises Refused, Busy among them; then nothing has changed.

    With ``keep_running`` its power is not touched; the backup of a server found running is
    crash-consistent then (Q3; both clouds can).

    ``may_power_off`` says that a person accepted the power-off (R021); without it
    PowerOffNotAccepted is raised unless the server is off, and one found running
    later is not touched.
    """
    require_server(resource)
    require_reachable(resource)
    if type_ == Backup.Type.MANUAL:
        _require_room(resource)
    if not keep_running:
        require_consent(resource, may_power_off=may_power_off)
    backup = Backup.of(
        resource,
        name=name,
        description=description,
        type=type_,
        site=resource.account.site,
    )
    task = engine.start(
        "create_backup",
        title=f"Backup {label_of(resource)}",
        subject=name,
        account=resource.account,
        cloud_account=resource.cloud_account,
        resource=resource,
        exclusive=True,
        # A server that goes on serving is not out of service.
        maintenance=not keep_running,
        origin=origin,
        requested_by=actor.user,
        parent=parent,
        args=args_of(resource, backup, may_power_off=may_power_off)
        | {"keep_running": keep_running},
    )
    backup.task = task
    backup.created_at = task.created_at
    backup.insert()
    record(
        actor, "backup.create", resource, result="requested", backup=str(backup.pk),
        name=name, task=str(task.pk),
    )  # fmt: skip
    return backup


@transaction.atomic
def create_volume_backup(
    actor: Actor,
    resource: Resource,
    *,
    name: str,
    description: str = "",
    type_: str = Backup.Type.MANUAL,
    origin: str | None = None,
    parent: Task | None = None,
    kind: str = "create_volume_backup",
    **more: Any,
) -> Backup:
    """Start a backup of a desktop, profile or drive. Raises Refused, Busy among them.

    It goes on serving its user: what is in use is backed up crash-consistent, unless the
    ``kind`` of task does otherwise; ``more`` joins its arguments.
    """
    if not resource.is_volume:
        raise Refused(f"{resource} is not managed on the Volumes page.")
    require_reachable(resource)
    if type_ == Backup.Type.MANUAL:
        _require_room(resource)
    backup = Backup.of(
        resource, name=name, description=description, type=type_, site=resource.account.site
    )
    task = engine.start(
        kind,
        title=f"Backup {resource}",
        subject=name,
        account=resource.account,
        cloud_account=resource.cloud_account,
        other_cloud_account=secondary_of(resource.account),
        resource=resource,
        exclusive=True,
        origin=origin,
        requested_by=actor.user,
        parent=parent,
        args=volume_args_of(resource, backup) | {"to": target_of(resource.account)} | more,
    )
    backup.task = task
    backup.created_at = task.created_at
    backup.insert()
    record(
        actor, "backup.create", resource, result="requested", backup=str(backup.pk),
        name=name, task=str(task.pk),
    )  # fmt: skip
    return backup


def target_of(account: Account) -> dict[str, str]:
    """The secondary site as tasks' arguments name it; see `portal.clouds.api.Target`."""
    if not account.dr_enabled:
        return {}
    return {"site": account.dr_site, "link": account.dr_link}


def volume_args_of(resource: Resource, backup: Backup) -> dict[str, Any]:
    """What every workflow on a volume is told of it; `volumes.fan_out` gives the same."""
    return {
        "server": resource.external_id,
        "kind": resource.kind,
        "account": str(resource.account_id),
        "resource": str(resource.pk),
        "backup": str(backup.pk),
        "type": backup.type,
    }


def usable_replica(backup: Backup) -> Replica | None:
    """The replica a restore can use: complete, and not removed."""
    return backup.replicas.there().select_related("account").order_by("-completed_at").first()


@transaction.atomic
def restore_backup(
    actor: Actor, backup: Backup, *, may_power_off: bool = True, from_replica: bool = False
) -> Task:
    """Start putting a complete backup back onto its own resource (R002, R004).

    With ``from_replica`` the copy at the secondary site is used, and the local one not read
    (R051). Raises Refused, Busy and PowerOffNotAccepted among them; then nothing has changed.
    """
    resource = backup.resource
    if not backup.may_restore:
        raise Refused(not_restorable(backup))
    require_reachable(resource)
    if hindrance := restore_hindrance(resource):
        raise Refused(hindrance)
    require_consent(resource, may_power_off=may_power_off)
    replica = usable_replica(backup) if from_replica else None
    if from_replica and replica is None:
        raise Refused(f"“{backup}” has no complete replica.", field="from_replica")
    if not from_replica and backup.missing_since:
        raise Refused(
            f"The local copy of “{backup}” is no longer at {backup.site}. Tick “Force restore "
            "from replica” to use the copy at the secondary site.",
            field="from_replica",
        )
    args = {"copy": backup.external_id, "may_power_off": may_power_off}
    # What comes back of a desktop is a machine, so it is put in place as a server's copy is.
    as_volume = resource.is_volume and not (replica and resource.is_desktop)
    if as_volume:
        args |= volume_args_of(resource, backup) | {"user": resource.user_name}
    else:
        args |= args_of(resource, backup, may_power_off=may_power_off)
    task = engine.start(
        "restore_volume_backup" if as_volume else "restore_backup",
        title=f"Restore {label_of(resource)}",
        subject=backup.name,
        account=resource.account,
        cloud_account=resource.cloud_account,
        other_cloud_account=replica.cloud_account if replica else None,
        resource=resource,
        exclusive=True,
        maintenance=True,
        requested_by=actor.user,
        args=args | (restore_args(replica) if replica else {}),
    )
    record(
        actor, "backup.restore", resource, result="requested", backup=str(backup.pk),
        name=backup.name, task=str(task.pk), source=replica.site if replica else backup.site,
    )  # fmt: skip
    return task


@transaction.atomic
def delete_backup(actor: Actor, backup: Backup, *, parent: Task | None = None) -> Task | None:
    """Start removing a backup and everything of it at the cloud (R057).

    None: it was the entry of a run that was missed, of which there is nothing; it is off the list.
    """
    if not backup.may_delete:
        raise Refused(not_deletable(backup))
    if backup.status == Backup.Status.MISSED:
        _leave(backup, Backup.Status.DELETED)
        record(actor, "backup.delete", backup.resource, backup=str(backup.pk), name=backup.name)
        return None
    return _delete(actor, backup, parent=parent)


@transaction.atomic
def retire_backup(backup: Backup, cause: Backup) -> Task:
    """Retention: remove what is over the number now that ``cause`` is there."""
    # Who pins at this moment has either won, or is told that the backup has changed.
    if Backup.objects.select_for_update().get(pk=backup.pk).is_pinned:
        raise Refused(f"“{backup}” has been pinned meanwhile.")
    return _delete(SYSTEM, backup, after=cause, origin=Task.Origin.SCHEDULE)


def _delete(
    actor: Actor,
    backup: Backup,
    *,
    after: Backup | None = None,
    origin: str | None = None,
    parent: Task | None = None,
) -> Task:
    resource, before = backup.resource, backup.status
    if not backup.task_token:
        raise Refused(f"“{backup}” has no record of the task that made it. Open a support case.")
    if backup.replication_status == Replica.Status.IN_PROGRESS:
        raise Refused(
            f"“{backup}” is being replicated. Delete it when that has ended, or cancel that task."
        )
    replicas = list(backup.replicas.not_removed().select_related("cloud_account"))
    args = {
        "account": str(resource.account_id),
        "resource": str(resource.pk),
        "backup": str(backup.pk),
        "type": backup.type,
        "copy": backup.external_id,
        "token": backup.task_token,
        "status_before": before,
        "replicas": removals_of(replicas),
    }
    if resource.is_volume:
        args |= volume_args_of(resource, backup)
    task = engine.start(
        "delete_volume_backup" if resource.is_volume else "delete_backup",
        title=f"Delete backup of {label_of(resource)}",
        subject=backup.name,
        account=resource.account,
        cloud_account=resource.cloud_account,
        other_cloud_account=replicas[0].cloud_account if replicas else None,
        resource=resource,
        exclusive=True,
        origin=origin,
        requested_by=actor.user,
        parent=parent,
        args=args | ({"after_backup": str(after.pk)} if after else {}),
    )
    _leave(backup, Backup.Status.DELETING)
    record(
        actor, "backup.delete", resource, result="requested", backup=str(backup.pk),
        name=backup.name, task=str(task.pk), made_room_for=after.name if after else "",
    )  # fmt: skip
    return task


def _leave(backup: Backup, status: str) -> None:
    try:
        backup.move_to(status)
    except IllegalTransition as error:
        raise Refused(f"“{backup}” has changed meanwhile. Reload the page.") from error


@transaction.atomic
def pin_backup(actor: Actor, backup: Backup) -> None:
    """Keep a complete backup whatever the numbers say, until it is unpinned or deleted by hand."""
    if not backup.may_pin:
        raise Refused(f"“{backup}” cannot be pinned: it is {backup.get_status_display().lower()}.")
    _set_pin(actor, backup, is_pinned=True)


@transaction.atomic
def unpin_backup(actor: Actor, backup: Backup) -> None:
    """Let retention count a backup again; it goes at the earliest after the next one."""
    _set_pin(actor, backup, is_pinned=False)


def _set_pin(actor: Actor, backup: Backup, *, is_pinned: bool) -> None:
    ready = Backup.objects.filter(pk=backup.pk, status=Backup.Status.READY)
    if not ready.exclude(is_pinned=is_pinned).update(is_pinned=is_pinned):
        raise Refused(f"“{backup}” has changed meanwhile. Reload the page.")
    backup.is_pinned = is_pinned
    action = "backup.pin" if is_pinned else "backup.unpin"
    record(actor, action, backup.resource, backup=str(backup.pk), name=backup.name)


def label_of(resource: Resource) -> str:
    """How a task's title names the resource: an account has one Sandbox, but many servers."""
    return "Sandbox" if resource.kind == Resource.Kind.SANDBOX else resource.name
