"""Backups of many volumes at once: tasks and backups inserted by the thousand.

The columns are those of `backups.services.create_volume_backup`; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import (
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce, Concat, JSONObject, Left

from backups.models import Backup, VolumePolicy, note_latest
from backups.sent_along import secondary_of
from backups.services import target_of
from portal import engine
from portal.bulk import Dashed, among, as_text, insert_from, lock_in_order, uuid_from
from portal.engine.requests import TITLE_LENGTH
from portal.models import Account, Resource, Task


@dataclass(frozen=True)
class Begun:
    """How many of a portion have their backup now, and why the others have not."""

    started: int
    missing: int
    full: int
    busy: int


def start_backups(parent: Task, ids: Sequence[UUID], now: datetime) -> Begun:
    """Start a backup of each of these volumes under ``parent``, in the caller's transaction.

    Safe to repeat: the id of a child is made from parent and volume.
    """
    volumes = Resource.objects.filter(pk__in=among(ids))
    lock_in_order(volumes)
    there = volumes.filter(is_missing=False)
    is_manual = parent.args["type"] == Backup.Type.MANUAL
    with_room = _with_room(parent, there) if is_manual else there
    child = uuid_from(as_text("pk"), Value(parent.token))
    rows = with_room.annotate(child_id=child)
    engine.start_for_each("create_volume_backup", rows, now, _task(parent, child, now))
    mine = Exists(Task.objects.filter(pk=OuterRef("child_id")))
    begun = volumes.annotate(child_id=child).filter(mine)
    insert_from(Backup, begun, _backup(parent, child, now))
    note_latest(volumes)
    started, found, roomy = begun.count(), there.count(), with_room.count()
    return Begun(
        started=started,
        missing=len(ids) - found,
        full=found - roomy,
        busy=max(0, roomy - started),
    )


def _with_room(parent: Task | None, volumes: QuerySet[Resource]) -> QuerySet[Resource]:
    """Those that hold fewer manual backups than may be kept (R069), or have theirs by now."""
    held = Backup.objects.filter(resource=OuterRef("pk")).held_manually()
    if parent:
        held = held.exclude(task__parent=parent)
    count = held.order_by().values("resource").annotate(n=Count("pk"))
    policies = VolumePolicy.objects.filter(account=OuterRef("account"), kind=OuterRef("kind"))
    default = VolumePolicy._meta.get_field("keep_manual").get_default()
    return volumes.annotate(
        held=Coalesce(Subquery(count.values("n")), 0),
        may_hold=Coalesce(
            Subquery(policies.values("keep_manual")), default, output_field=IntegerField()
        ),
    ).filter(held__lt=F("may_hold"))


def _task(parent: Task, child: Any, now: datetime) -> dict[str, Any]:
    return {
        "id": child,
        "title": Left(Concat(Value("Backup "), "name"), TITLE_LENGTH),
        "subject": parent.args["name"],
        "account": F("account"),
        "cloud_account": F("cloud_account"),
        "other_cloud_account": _secondary(parent),
        "resource": F("pk"),
        "parent": parent.pk,
        "is_exclusive": True,
        "origin": parent.origin,
        "requested_by": parent.requested_by_id,
        # The header shows the parent.
        "acknowledged_at": now,
        "args": JSONObject(
            server=F("external_id"),
            kind=F("kind"),
            account=Dashed(F("account")),
            resource=Dashed(F("pk")),
            backup=Dashed(child),
            type=Value(parent.args["type"]),
            to=JSONObject(**_target(parent)),
        ),
    }


def _target(parent: Task) -> dict[str, Value]:
    return {key: Value(value) for key, value in target_of(_account(parent)).items()}


def _secondary(parent: Task) -> UUID | None:
    secondary = secondary_of(_account(parent))
    return secondary.pk if secondary else None


def _account(parent: Task) -> Account:
    if parent.account is None:
        raise ValueError(f"task {parent.pk} of volumes has no account")
    return parent.account


def _backup(parent: Task, child: Any, now: datetime) -> dict[str, Any]:
    due = parent.args.get("due_at")
    return {
        "id": child,
        "task": child,
        "resource": F("pk"),
        "account": F("account"),
        "kind": F("kind"),
        "name": parent.args["name"],
        "description": parent.args.get("description", ""),
        "type": parent.args["type"],
        "status_changed_at": now,
        "created_at": now,
        "site": F("account__site"),
        "due_at": datetime.fromisoformat(due) if due else None,
    }


@dataclass(frozen=True)
class Outlook:
    """What would become of volumes if their backup was asked for now."""

    total: int
    missing: int
    full: int
    busy: int

    @property
    def skipped(self) -> int:
        return self.missing + self.full + self.busy


def outlook(volumes: QuerySet[Resource]) -> Outlook:
    """Count those that would be left out, each by the first reason that holds."""
    total = volumes.count()
    there = volumes.filter(is_missing=False)
    found = there.count()
    roomy = _with_room(None, there)
    has_room = roomy.count()
    active = Task.objects.active().filter(resource=OuterRef("pk"), is_exclusive=True)
    return Outlook(
        total, total - found, found - has_room, busy=roomy.filter(Exists(active)).count()
    )
