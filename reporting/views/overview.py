"""The overview: is everything protected, what needs a hand, what goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from backups.models import Backup
from portal.access import Permission, Request, account_view, wants_fragment
from portal.models import Account, CloudAccount, Notification, Resource, Task

SERVER_KINDS = (Resource.Kind.SANDBOX, Resource.Kind.UTILITY_SERVER)
ROWS = 5


@dataclass(frozen=True)
class Protection:
    """One server and how it is protected."""

    resource: Resource
    last_backup_at: datetime | None
    last_failure_at: datetime | None

    @property
    def has_failed_last(self) -> bool:
        """Whether the newest try failed."""
        if self.last_failure_at is None:
            return False
        return self.last_backup_at is None or self.last_failure_at > self.last_backup_at

    @property
    def needs_attention(self) -> bool:
        return self.has_failed_last or self.last_backup_at is None or self.resource.is_missing

    @property
    def url(self) -> str:
        """The page of the server, where what it needs can be done."""
        if self.resource.kind == Resource.Kind.SANDBOX:
            return reverse("backups:sandbox_detail", args=[self.resource.account_id])
        arguments = [self.resource.account_id, self.resource.pk]
        return reverse("backups:utility_server_detail", args=arguments)


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def overview(request: Request) -> HttpResponse:
    account = request.account
    protections = _protections(account)
    attention = [protection for protection in protections if protection.needs_attention]
    tasks = Task.objects.filter(account=account).active().order_by("created_at")[:ROWS]
    notifications = Notification.objects.unread_by(request.user, account)
    context = {
        "protections": protections,
        "attention": attention,
        "protected_count": len(protections) - len(attention),
        "tasks": list(tasks),
        "notifications": list(notifications.order_by("-created_at")[:ROWS]),
        "cloud_account": account.cloud_account,
        "is_unreachable": _is_unreachable(account.cloud_account),
    }
    template = "reporting/_overview.html" if wants_fragment(request) else "reporting/overview.html"
    return render(request, template, context)


def _protections(account: Account) -> list[Protection]:
    """Every server with its last good and its last failed backup, in one query."""
    servers = account.resources.filter(kind__in=SERVER_KINDS).annotate(
        good_at=Max("backups__completed_at", filter=Q(backups__status=Backup.Status.READY)),
        failed_at=Max("backups__created_at", filter=Q(backups__status=Backup.Status.FAILED)),
    )
    ordered = servers.order_by("kind", "name")
    return [Protection(row, row.good_at, row.failed_at) for row in ordered]  # type: ignore[attr-defined]


def _is_unreachable(cloud_account: CloudAccount | None) -> bool:
    bad = {CloudAccount.Health.UNREACHABLE, CloudAccount.Health.REFUSED}
    return cloud_account is not None and cloud_account.health in bad
