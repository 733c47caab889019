"""How an account's servers are protected, and what needs a hand: facts of the overview."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Max, OuterRef, Q, QuerySet, Subquery, UUIDField
from django.urls import reverse

from backups.models import Backup
from backups.panels import SERVER_KINDS, system_url
from disaster_recovery.standing import Glance, KindStanding
from portal.access import Permission
from portal.models import Account, CloudAccount, Resource, Task
from portal.templatetags.ui import Look, duration

_BAD_HEALTH = {CloudAccount.Health.UNREACHABLE, CloudAccount.Health.REFUSED}


@dataclass(frozen=True)
class Protection:
    """One server, its last good backup, and its newest try."""

    resource: Resource
    last_good_at: datetime | None
    last_status: str
    last_task_id: UUID | None
    task: Task | None

    @property
    def has_failed_last(self) -> bool:
        return self.last_status == Backup.Status.FAILED

    @property
    def state(self) -> tuple[Look, str]:
        """Colour, shape and words: the worst thing that is true comes first."""
        if self.resource.is_missing:
            return Look("bad", "alert"), "Missing at the cloud"
        if self.task and self.task.is_maintenance:
            return Look("warn", "wrench"), "Maintenance mode"
        if self.has_failed_last:
            return Look("bad", "xcircle"), "Last backup failed"
        if self.last_good_at is None:
            return Look("warn", "dash"), "Not backed up"
        return Look("ok", "okcircle"), "Backed up"

    @property
    def needs_attention(self) -> bool:
        return self.resource.is_missing or self.has_failed_last or self.last_good_at is None

    @property
    def url(self) -> str:
        return system_url(self.resource)


def protections_of(account: Account) -> list[Protection]:
    """Every server of the account, the Sandbox first, in two queries."""
    newest = Backup.objects.filter(resource=OuterRef("pk"), status__in=Backup.LISTED)
    newest = newest.order_by("-created_at")
    servers: QuerySet[Resource] = account.resources.filter(kind__in=SERVER_KINDS)
    annotated = servers.annotate(
        last_done_at=Max("backups__completed_at", filter=Q(backups__status=Backup.Status.READY)),
        last_status=Subquery(newest.values("status")[:1]),
        last_task_id=Subquery(newest.values("task")[:1], output_field=UUIDField()),
    )
    rows = list(annotated.order_by("kind", "name"))
    active = Task.objects.active().filter(resource__in=rows, is_exclusive=True)
    tasks = {task.resource_id: task for task in active}
    return [
        Protection(
            row, row.last_done_at, row.last_status or "", row.last_task_id, tasks.get(row.pk)
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Concern:
    """Something that needs a hand, and where it is mended; no ``url`` where others must do it.

    ``dialog_url`` is that of a dialog that mends it at once.
    """

    tone: str
    title: str
    text: str
    url: str = ""
    button: str = ""
    dialog_url: str = ""
    dialog_button: str = ""


def concerns_of(
    account: Account, servers: Iterable[Protection], rights: frozenset[Permission]
) -> list[Concern]:
    """Return what needs attention, the cloud account first: it is often the cause of the rest."""
    cloud = account.cloud_account
    concerns = []
    if cloud and cloud.health in _BAD_HEALTH:
        concerns.append(_unreachable(account, cloud, rights))
    concerns += [_concern(account, server, rights) for server in servers if server.needs_attention]
    return concerns


def recovery_concerns_of(glance: Glance) -> list[Concern]:
    """Disaster recovery that is on and could fail; its page says why, and what mends it."""
    account = glance.account
    if not account.dr_enabled or glance.is_ready or not glance.count:
        return []
    text = f"{glance.replicated:,} of {glance.count:,} resources have a replica."
    url = reverse("disaster_recovery:recovery_overview", args=[account.pk])
    return [Concern(glance.look[0], f"Disaster recovery: {glance.word}", text, url, "View")]


def overdue_concerns_of(glance: Glance) -> list[Concern]:
    """Kinds with resources whose newest good backup is older than the target wants."""
    return [_overdue(glance, kind) for kind in glance.kinds if kind.overdue]


def _overdue(glance: Glance, kind: KindStanding) -> Concern:
    have = "has" if kind.overdue == 1 else "have"
    title = (
        f"{kind.label}: {kind.overdue:,} of {kind.count:,} {have} no good backup "
        f"of the last {glance.settings.target_rpo_hours} h"
    )
    age = kind.now - kind.oldest_backup_at if kind.oldest_backup_at else None
    text = f"The oldest is of {duration(age)} ago. A daily schedule keeps them new."
    return Concern("warn", title, text, _page_of_kind(glance.account, kind.kind), "View")


def _page_of_kind(account: Account, kind: str) -> str:
    match kind:
        case Resource.Kind.SANDBOX:
            return reverse("backups:sandbox_detail", args=[account.pk])
        case Resource.Kind.UTILITY_SERVER:
            return reverse("backups:utility_server_list", args=[account.pk])
        case _:
            page = reverse("volumes:volume_list", args=[account.pk])
            return f"{page}?sort=last_backup_at"


def _unreachable(account: Account, cloud: CloudAccount, rights: frozenset[Permission]) -> Concern:
    place = account.site or "The cloud"
    refused = cloud.health == CloudAccount.Health.REFUSED
    title = f"{place} refuses the sign-in" if refused else f"{place} does not answer"
    text = "What is shown is from before. Tasks go on when it answers again."
    if Permission.VIEW_CLOUD_ACCOUNTS not in rights:
        return Concern("bad", title, f"{text} An Organization Administrator can mend it.")
    url = reverse("portal:cloud_account_detail", args=[cloud.pk])
    return Concern("bad", title, text, url, "View cloud account")


def _concern(account: Account, server: Protection, rights: frozenset[Permission]) -> Concern:
    resource = server.resource
    if resource.is_missing:
        text = "The last inventory did not find the machine. Its backups are not affected."
        if Permission.ASSIGN_MACHINES in rights:
            url = reverse("portal:account_machines", args=[account.pk])
            return Concern("bad", f"{resource} is missing at the cloud", text, url, "View machines")
        return Concern(
            "bad", f"{resource} is missing at the cloud", text, server.url, "View server"
        )
    if server.has_failed_last:
        good = (
            "Its earlier backups are not affected." if server.last_good_at else "It has no other."
        )
        url = server.url
        if server.last_task_id:
            url = reverse("reporting:task_detail", args=[account.pk, server.last_task_id])
        return Concern("bad", f"The last backup of {resource} failed", good, url, "View task")
    if server.task and server.task.kind == "create_backup":
        url = reverse("reporting:task_detail", args=[account.pk, server.task.pk])
        return Concern(
            "warn", f"{resource} has no backup yet", "The first one is under way.", url, "View task"
        )
    text = "What is on its disk cannot be brought back until there is one."
    if Permission.BACK_UP_SERVERS in rights:
        url = reverse("backups:backup_create", args=[account.pk, resource.pk])
        return Concern("warn", f"{resource} is not backed up", text, url, "Create backup")
    return Concern("warn", f"{resource} is not backed up", text, server.url, "View server")
