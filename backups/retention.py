"""Which backups go, and why the others stay (R016, R037).

Retention follows a backup that succeeded, for its type alone: what is over the number goes,
the oldest first, through the deletion a person would start. One at a time: while a system's
backup is deleted, nothing else can begin on it. It never takes a pinned backup, one that
serves as master image, the only one that can be restored, the only one with a replica where
disaster recovery is on, or one that is being replicated.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from uuid import UUID

from django.db.models import QuerySet

from backups.models import Backup, BackupQuerySet, Replica, Settings, settings_of
from portal.models import Resource, Task
from portal.refusals import Refused

Type, Status = Backup.Type, Backup.Status
_DELETIONS = ("delete_backup", "delete_volume_backup")


def kept_number(resource: Resource, type_: str) -> int | None:
    """How many of a type are kept by rolling; None where nothing is removed by itself (R038)."""
    if type_ == Type.SCHEDULED:
        return settings_of(resource).keep_scheduled
    if type_ == Type.AFTER_SESSION:
        return settings_of(resource).keep_after_session
    if type_ == Type.PUBLISH:
        return resource.account.publish_retention
    return None


def _rolling(resource: Resource, type_: str) -> BackupQuerySet:
    """The complete ones that count, the newest first. Publish backups count by account (R016)."""
    if type_ == Type.PUBLISH:
        backups = Backup.objects.filter(resource__account=resource.account_id)
    else:
        backups = Backup.objects.filter(resource=resource)
    return backups.counted(type_).ready().order_by("-created_at", "-pk")


def surplus(resource: Resource, type_: str, keep: int, *, coming: int = 0) -> list[Backup]:
    """Return what is over the number once ``coming`` more are there, the oldest first."""
    over = list(_rolling(resource, type_)[max(0, keep - coming) :])
    if not coming and not _others_ready(resource, over).exists():
        over = over[1:]  # the newest of them is all there is
    return _without_needed_replicas(resource, over)[::-1]


def _without_needed_replicas(resource: Resource, over: list[Backup]) -> list[Backup]:
    """Leave out what is being replicated, and the newest replica while no kept one has any."""
    over = [each for each in over if each.replication_status != Replica.Status.IN_PROGRESS]
    if not over or not resource.account.dr_enabled:
        return over
    there = Replica.objects.there().filter(backup__resource=resource, backup__status=Status.READY)
    backups = list(there.order_by("-backup__created_at").values_list("backup", flat=True))
    going = {each.pk for each in over}
    if backups and going.issuperset(backups):
        over = [each for each in over if each.pk != backups[0]]
    return over


def _others_ready(resource: Resource, going: list[Backup]) -> QuerySet[Backup]:
    ready = Backup.objects.filter(resource=resource).ready()
    return ready.exclude(pk__in=[backup.pk for backup in going])


def trim_after(task: Task) -> None:
    """Follow a backup that has succeeded: start the deletion of the first that is over."""
    if task.args.get("type") == Type.MANUAL:
        return  # capped, never removed (R038)
    backup = Backup.objects.select_related("resource__account").get(task=task, original=None)
    keep = kept_number(backup.resource, backup.type)
    # Most often there are not so many yet: then there is nothing to look for.
    if keep is not None and _rolling(backup.resource, backup.type)[keep - 1 : keep].exists():
        _drop_old_misses(backup, keep)
        _trim(backup.resource, backup.type, backup, keep)


def trim_on(task: Task) -> None:
    """Follow a deletion that retention has started, however it ended: go on with the next."""
    cause = task.args.get("after_backup")
    backup = Backup.objects.select_related("resource__account").filter(pk=cause).first()
    keep = kept_number(backup.resource, backup.type) if backup else None
    if backup and keep is not None:
        _trim(backup.resource, backup.type, backup, keep)


def trim_after_replication(task: Task) -> None:
    """Follow a replication that has succeeded: what was kept for its replica may go now."""
    backup = Backup.objects.select_related("resource__account").get(pk=task.args["backup"])
    keep = kept_number(backup.resource, backup.type)
    if keep is not None and backup.is_ready:
        _trim(backup.resource, backup.type, backup, keep)


def _trim(resource: Resource, type_: str, cause: Backup, keep: int) -> None:
    """Start the next deletion that ``cause`` brings; each is tried once."""
    from backups import services  # services look at what is kept

    tried = Task.objects.filter(account=resource.account_id, created_at__gte=cause.created_at)
    tried = tried.filter(kind__in=_DELETIONS, args__after_backup=str(cause.pk))
    was_tried = {args["backup"] for args in tried.values_list("args", flat=True)}
    for backup in [*surplus(resource, type_, keep), *_old_failures(resource, type_, keep)]:
        if str(backup.pk) not in was_tried and backup.pk != cause.pk:
            # Only where somebody's click came first: the next backup trims again.
            with suppress(Refused):
                services.retire_backup(backup, cause)
            return


def _before_kept(resource: Resource, type_: str, keep: int) -> BackupQuerySet:
    """Entries older than all that is kept; none while there is less than may be kept."""
    kept = list(_rolling(resource, type_).values_list("created_at", flat=True)[:keep])
    entries = Backup.objects.filter(resource=resource, type=type_)
    return entries.filter(created_at__lt=kept[-1]) if len(kept) == keep else entries.none()


def _old_failures(resource: Resource, type_: str, keep: int) -> list[Backup]:
    """Failed ones leave the list by the ordinary deletion: something may be left at the cloud."""
    failed = _before_kept(resource, type_, keep).filter(status=Backup.Status.FAILED)
    return list(failed.order_by("created_at"))


def _drop_old_misses(backup: Backup, keep: int) -> None:
    """What was never begun leaves the list at once."""
    missed = _before_kept(backup.resource, backup.type, keep)
    for each in missed.filter(status=Backup.Status.MISSED):
        each.move_to(Backup.Status.DELETED)


def kept_because(resource: Resource, policy: Settings) -> dict[UUID, str]:
    """Say of each complete backup of a system why it is still there, by id."""
    backups = Backup.objects.filter(resource=resource).ready().order_by("-created_at", "-pk")
    rows = list(backups.values_list("pk", "type", "is_pinned", "original"))
    keeps = {
        Type.SCHEDULED: policy.keep_scheduled,
        Type.MANUAL: policy.keep_manual,
        Type.AFTER_SESSION: policy.keep_after_session,
        Type.PUBLISH: resource.account.publish_retention,
    }
    places: Counter[str] = Counter()
    reasons: dict[UUID, str] = {}
    for pk, type_, is_pinned, original in rows:
        if original:
            reasons[pk] = "BYO Master Image"
        elif is_pinned:
            reasons[pk] = "Pinned"
            # The cap on manual backups counts what is pinned too.
            places[type_] += type_ == Type.MANUAL
        else:
            places[type_] += 1
            reasons[pk] = _place(type_, places[type_], keeps.get(Type(type_)))
    if len(rows) == 1:
        pk = rows[0][0]
        reasons[pk] = f"{reasons[pk]} · only good copy"
    return reasons


def _place(type_: str, place: int, keep: int | None) -> str:
    label = Type(type_).label
    if keep is None:
        return label
    if place > keep and type_ != Type.MANUAL:
        next_one = "post-session" if type_ == Type.AFTER_SESSION else label.lower()
        return f"Leaves after the next {next_one} backup"
    return f"{label} {place} of {keep}"
