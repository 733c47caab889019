"""What the pages show of one system: its state, the task on it, its list of backups.

Buttons ask here, services ask again: both by the same facts of the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from django.contrib.humanize.templatetags.humanize import apnumber
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.http import QueryDict
from django.urls import reverse
from django.utils.text import capfirst

from backups.models import Backup, BackupPolicy, BackupQuerySet
from backups.publish import publish_hindrance
from backups.replica_cells import attempts_of, replication_cell
from backups.retention import kept_because
from backups.services import LimitReached
from backups.tables import BackupTable, page_of_backups
from portal.access import Missing, Permission
from portal.clouds.api import PowerState
from portal.models import Account, CloudAccount, Infrastructure, Resource, Task

# Servers whose panels stand open on arrival; with more of them, each loads when it is opened.
OPEN_PANELS = 3

SERVER_KINDS = (Resource.Kind.SANDBOX, Resource.Kind.UTILITY_SERVER)

_DOING = {
    "create_backup": "“{}” is backed up",
    "restore_backup": "“{}” is restored",
    "delete_backup": "“{}” is deleted",
    "publish_sandbox": "the Sandbox is published",
    "publish_joined_sandbox": "the Sandbox is published",
    "protect_master_image": "“{}” is copied",
}


@dataclass
class Panel:
    """One system and its backups, as one person sees them.

    ``query`` orders, narrows and pages the list; ``url`` is the address of the panel.
    """

    resource: Resource
    permissions: frozenset[Permission]
    query: QueryDict
    is_open: bool = True

    @property
    def url(self) -> str:
        return system_url(self.resource)

    @property
    def target(self) -> str:
        """The selector of the panel's root element, for htmx."""
        return f"#system-{self.resource.pk}"

    @property
    def here(self) -> str:
        """The address of the panel as it stands, open or closed, for reloading it."""
        query = self.query.copy()
        if not self.is_open:
            query["closed"] = "1"
        return f"{self.url}?{query.urlencode()}" if query else self.url

    @cached_property
    def task(self) -> Task | None:
        """The exclusive task under way on the system."""
        return self.resource.active_task()

    @property
    def is_in_maintenance(self) -> bool:
        """Whether it is out of service: exactly while such a task is active (R022, R023)."""
        return self.task is not None and self.task.is_maintenance

    @property
    def doing(self) -> str:
        """What the task does, as the end of a sentence: ``“Before update” is backed up``."""
        if self.task is None:
            return ""
        return _DOING.get(self.task.kind, "“{}” is worked on").format(self.task.subject)

    @property
    def busy_backup_id(self) -> UUID | None:
        """Id of the backup the task is about."""
        named = self.task.args.get("backup") if self.task else None
        return UUID(named) if named else None

    @property
    def returns_to_running(self) -> bool:
        """Whether the task has found the server running and will leave it so (R053)."""
        return bool(
            self.task and self.task.memory.get("power") == PowerState.ON and not self.resource.is_on
        )

    @property
    def stale_cloud_account(self) -> CloudAccount | None:
        """The cloud account, when its last contact failed: what is shown is from before."""
        cloud = self.resource.cloud_account
        bad = {CloudAccount.Health.UNREACHABLE, CloudAccount.Health.REFUSED}
        return cloud if cloud.health in bad else None

    @property
    def has_notes(self) -> bool:
        """Whether anything must be said before the facts."""
        stale = self.stale_cloud_account
        return self.is_in_maintenance or self.resource.is_missing or stale is not None

    @property
    def may_see_cloud_account(self) -> bool:
        return Permission.VIEW_CLOUD_ACCOUNTS in self.permissions

    @property
    def may_assign(self) -> bool:
        return Permission.ASSIGN_MACHINES in self.permissions

    @property
    def create_hindrance(self) -> str:
        """Why no backup can be created now, or ""."""
        reason = self._hindrance(Permission.BACK_UP_SERVERS, needs_machine=True)
        if reason or not self.is_at_manual_limit:
            return reason
        return str(LimitReached(self.resource, self.totals["manual"], self.policy.keep_manual))

    @property
    def is_at_manual_limit(self) -> bool:
        """Whether the cap on manual backups is reached (R038, R039)."""
        return self.totals["manual"] >= self.policy.keep_manual

    @cached_property
    def policy(self) -> BackupPolicy:
        """Its settings, or the defaults."""
        found: BackupPolicy | None = getattr(self.resource, "backup_policy", None)
        return found or BackupPolicy(
            resource=self.resource, time_zone=self.resource.account.time_zone
        )

    @property
    def restore_hindrance(self) -> str:
        return self._hindrance(Permission.RESTORE_SERVERS, needs_machine=True)

    @property
    def delete_hindrance(self) -> str:
        return self._hindrance(Permission.DELETE_SERVER_BACKUPS, needs_machine=False)

    @property
    def publish_hindrance(self) -> str:
        """Why the Sandbox cannot be published now, or "" (R022)."""
        reason = self._hindrance(Permission.BACK_UP_SERVERS, needs_machine=True)
        return reason or publish_hindrance(self.resource)

    @property
    def busy_hindrance(self) -> str:
        """Why nothing can be begun that leaves the machine alone, or ""."""
        return self._hindrance(Permission.BACK_UP_SERVERS, needs_machine=False)

    @property
    def has_master_images(self) -> bool:
        """Whether backups here can serve as BYO Master Image (R054, R056)."""
        return self.resource.account.infrastructure == Infrastructure.AHV

    @property
    def publish_retention(self) -> str:
        """How many publish backups of the account are kept, as a sentence begins with it."""
        return capfirst(str(apnumber(self.resource.account.publish_retention)))

    @property
    def settings_hindrance(self) -> str:
        """Why the settings cannot be changed, or "". They can while the system is busy."""
        right = Permission.BACK_UP_SERVERS
        return "" if right in self.permissions else str(Missing(right))

    def _hindrance(self, permission: Permission, *, needs_machine: bool) -> str:
        if permission not in self.permissions:
            return str(Missing(permission))
        if self.task:
            return f"Busy: “{self.task}” is under way."
        if needs_machine and self.resource.is_missing:
            return "The machine is no longer at the cloud."
        return ""

    @property
    def backups(self) -> BackupQuerySet:
        return Backup.objects.filter(resource=self.resource).listed()

    @cached_property
    def totals(self) -> dict[str, int]:
        """Listed backups, bytes they hold, and what counts as kept of each type."""
        counted = Q(status=Backup.Status.READY, is_pinned=False, original=None)
        totals: dict[str, int] = self.backups.aggregate(
            count=Count("pk"),
            size=Sum("size_bytes", default=0),
            scheduled=Count("pk", filter=counted & Q(type=Backup.Type.SCHEDULED)),
            publish=Count("pk", filter=counted & Q(type=Backup.Type.PUBLISH)),
            after_session=Count("pk", filter=counted & Q(type=Backup.Type.AFTER_SESSION)),
            manual=Count("pk", filter=Backup.HELD_MANUALLY),
        )
        return totals

    @property
    def type(self) -> str:
        """The type the list is narrowed to, or ""."""
        wanted = self.query.get("type", "")
        return wanted if wanted in Backup.Type.values else ""

    @property
    def types(self) -> list[tuple[str, str]]:
        """Letter and word of each type: filter and legend in one (R026)."""
        return [(str(value), str(label)) for value, label in Backup.Type.choices]

    @property
    def rows(self) -> Iterator[tuple[Backup, str, str]]:
        """Backups of the page, each with why it is still there, or "", and how it is replicated."""
        reasons = kept_because(self.resource, self.policy)
        backups = [row.record for row in self.table.paginated_rows]
        attempts = attempts_of(backups)
        for backup in backups:
            backup.resource = self.resource
            replication = replication_cell(backup, attempts.get(backup.pk))
            yield backup, reasons.get(backup.pk, ""), replication

    @property
    def may_back_up(self) -> bool:
        return Permission.BACK_UP_SERVERS in self.permissions

    @cached_property
    def table(self) -> BackupTable:
        rows = self.backups.select_related("task", "original")
        if self.type:
            rows = rows.filter(type=self.type)
        return page_of_backups(rows, self.query)


def system_url(resource: Resource) -> str:
    """The page on which a system's panel stands."""
    if resource.kind == Resource.Kind.SANDBOX:
        return reverse("backups:sandbox_detail", args=[resource.account_id])
    return reverse("backups:utility_server_detail", args=[resource.account_id, resource.pk])


def system_label(resource: Resource) -> str:
    """How a sentence names it: an account has one Sandbox, but many servers."""
    return "the Sandbox" if resource.kind == Resource.Kind.SANDBOX else resource.name


def servers_of(account: Account) -> QuerySet[Resource]:
    """Servers of an account with what their heads show of their backups, in one query."""
    ready = Q(backups__status=Backup.Status.READY)
    servers = account.resources.select_related("account", "cloud_account", "backup_policy")
    return servers.annotate(
        backup_count=Count("backups", filter=Q(backups__status__in=Backup.LISTED)),
        last_done_at=Max("backups__completed_at", filter=ready),
    )


def panels_of(servers: Sequence[Resource], permissions: frozenset[Permission]) -> list[Panel]:
    """Panels of a page of servers, in two queries more for each open one and one for all."""
    active = Task.objects.active().filter(resource__in=servers, is_exclusive=True)
    tasks = {task.resource_id: task for task in active}
    is_open = len(servers) <= OPEN_PANELS
    panels = [Panel(server, permissions, QueryDict(), is_open) for server in servers]
    for panel in panels:
        panel.task = tasks.get(panel.resource.pk)
    return panels
