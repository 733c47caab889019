"""What an account has: its resources, their backups, and how a task stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema
from ninja.errors import HttpError

from backups.models import Backup
from portal.models import Resource, Task
from portal.paging import Order
from portal.uuids import as_uuid
from reporting.api.keys import account_of
from reporting.api.pages import PageQuery, page, refuse_unknown
from reporting.api.problems import PROBLEMS
from reporting.api.values import Instant

router = Router(tags=["resources and backups"])
_BY_NAME = Order("sort_name", is_descending=False)
_NEWEST = Order("created_at", is_descending=True)

Kind = Literal[*Resource.Kind.values]  # type: ignore[valid-type]
# How the latest backup of a resource stands, as its own page shows it.
Latest = Literal["none", "creating", "ready", "failed", "missed"]


class ResourceOut(Schema):
    """``status`` is how its latest backup stands; ``user_name`` whose it is, of volumes."""

    id: UUID
    account_id: UUID
    kind: Kind
    name: str
    user_name: str
    power_state: str
    attached_to: str
    size_bytes: int
    is_missing: bool
    status: Latest
    last_backup_id: UUID | None
    last_good_backup_id: UUID | None

    @staticmethod
    def resolve_status(row: Resource) -> str:
        return row.last_backup_status or "none"

    @staticmethod
    def resolve_last_good_backup_id(row: Resource) -> UUID | None:
        return row.last_good_id


class ResourcesOut(Schema):
    items: list[ResourceOut]
    next: str | None


class ResourceQuery(PageQuery):
    kind: Kind | None = Field(None, description="Of this kind alone.")
    status: Latest | None = Field(None, description="Whose latest backup stands so.")


class BackupOut(Schema):
    """``type``: P publish, M manual, S scheduled, D after session. Times are in UTC."""

    id: UUID
    account_id: UUID
    resource_id: UUID
    kind: Kind
    name: str
    description: str
    type: Literal[*Backup.Type.values]  # type: ignore[valid-type]
    status: Literal[*Backup.Status.values]  # type: ignore[valid-type]
    created_at: datetime
    completed_at: datetime | None
    size_bytes: int | None
    site: str
    is_crash_consistent: bool
    is_pinned: bool
    replication_status: str
    error: str
    task_id: UUID | None


class BackupsOut(Schema):
    items: list[BackupOut]
    next: str | None


class BackupQuery(PageQuery):
    resource: UUID | None = Field(None, description="Of this resource alone.")
    kind: Kind | None = Field(None, description="Of resources of this kind alone.")
    type: Literal[*Backup.Type.values] | None = Field(  # type: ignore[valid-type]
        None, description="P publish, M manual, S scheduled, D after session."
    )
    status: Literal[*Backup.Status.values] | None = Field(  # type: ignore[valid-type]
        None, description="In this state alone; without it, all that the pages list."
    )
    from_: Instant | None = Field(None, alias="from", description="Requested then or later.")
    to: Instant | None = Field(None, description="Requested before.")


class TaskOut(Schema):
    """``state``: queued, running, failing and canceling go on; done, failed, canceled have ended.

    ``error`` and ``advice`` are words for people.
    """

    id: UUID
    account_id: UUID
    resource_id: UUID | None
    backup_id: UUID | None
    kind: str
    title: str
    subject: str
    state: Literal[*Task.State.values]  # type: ignore[valid-type]
    percent: int
    message: str
    error: str
    advice: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @staticmethod
    def resolve_backup_id(row: Task) -> UUID | None:
        return as_uuid(str(row.args.get("backup", "")))


@router.get(
    "/accounts/{account}/resources",
    response={200: ResourcesOut, **PROBLEMS},
    summary="List resources",
)
def list_resources(
    request: HttpRequest, account: UUID, query: Query[ResourceQuery]
) -> dict[str, Any]:
    """Servers and volumes of the account as its pages list them, by name."""
    refuse_unknown(request, query)
    servers = Q(kind__in=(Resource.Kind.SANDBOX, Resource.Kind.UTILITY_SERVER))
    rows = account_of(request, account).resources.filter(servers | Q(is_listed=True))
    if query.kind:
        rows = rows.filter(kind=query.kind)
    if query.status:
        rows = rows.filter(last_backup_status="" if query.status == "none" else query.status)
    return page(rows, _BY_NAME, query)


@router.get(
    "/accounts/{account}/backups", response={200: BackupsOut, **PROBLEMS}, summary="List backups"
)
def list_backups(request: HttpRequest, account: UUID, query: Query[BackupQuery]) -> dict[str, Any]:
    """Backups of the account, the newest first."""
    refuse_unknown(request, query)
    rows = Backup.objects.filter(account=account_of(request, account))
    rows = rows.filter(status=query.status) if query.status else rows.listed()
    return page(_narrowed(rows, query), _NEWEST, query)


def _narrowed(rows: QuerySet[Backup], query: BackupQuery) -> QuerySet[Backup]:
    wanted = {
        "resource": query.resource,
        "kind": query.kind,
        "type": query.type,
        "created_at__gte": query.from_,
        "created_at__lt": query.to,
    }
    return rows.filter(**{name: value for name, value in wanted.items() if value is not None})


@router.get(
    "/accounts/{account}/backups/{backup}",
    response={200: BackupOut, **PROBLEMS},
    summary="Get a backup",
)
def get_backup(request: HttpRequest, account: UUID, backup: UUID) -> Backup:
    """One backup; of one that is deleted, what the records keep."""
    rows = Backup.objects.filter(account=account_of(request, account))
    if found := rows.filter(pk=backup).first():
        return found
    raise HttpError(404, "The account has no such backup.")


@router.get(
    "/accounts/{account}/tasks/{task}", response={200: TaskOut, **PROBLEMS}, summary="Get a task"
)
def get_task(request: HttpRequest, account: UUID, task: UUID) -> Task:
    """How a task stands, such as one this API has started. Tasks are not listed (R147)."""
    if found := Task.objects.filter(account=account_of(request, account), pk=task).first():
        return found
    raise HttpError(404, "The account has no such task.")
