"""What the shell around every page needs, asked of the database only when it is drawn."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.http import HttpRequest

from portal.models import (
    Account,
    CloudAccount,
    Notification,
    Organization,
    Resource,
    Task,
    User,
)

SWITCHER_ROWS = 50


class Shell:
    """Lazy facts of the shell for one request."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._user: User = request.user  # type: ignore[assignment]  # asked only when signed in
        self.account: Account | None = getattr(request, "account", None)
        self.permissions: frozenset[str] = getattr(request, "permissions", frozenset())

    @property
    def theme(self) -> str:
        """The theme chosen by cookie, or "" for the system's."""
        theme = self._request.COOKIES.get("theme", "")
        return theme if theme in {"light", "dark"} else ""

    @cached_property
    def accounts(self) -> list[Account]:
        """The first accounts the person can switch to, by organization."""
        visible = Account.objects.visible_to(self._user).select_related("organization")
        return list(visible.order_by("organization__name", "name")[:SWITCHER_ROWS])

    @cached_property
    def active_task_count(self) -> int:
        tasks = Task.objects.filter(account=self.account)
        return tasks.active().count() if self.account else 0

    @cached_property
    def widget_count(self) -> int:
        """Tasks in the widget: under way, or ended and not acknowledged."""
        if not self.account:
            return 0
        return Task.objects.filter(account=self.account).in_widget().count()

    @cached_property
    def unread_count(self) -> int:
        if not self.account:
            return 0
        return Notification.objects.unread_by(self._user, self.account).count()

    @cached_property
    def utility_server_count(self) -> int:
        servers = Resource.objects.filter(kind=Resource.Kind.UTILITY_SERVER)
        return servers.filter(account=self.account).count()

    @cached_property
    def administers(self) -> bool:
        """Whether cloud accounts and organizations are within the person's reach."""
        return (
            Organization.objects.administered_by(self._user).exists()
            or CloudAccount.objects.visible_to(self._user).exists()
        )

    @cached_property
    def version(self) -> str:
        try:
            return version("standby")
        except PackageNotFoundError:
            return "development"


def shell(request: HttpRequest) -> dict[str, Any]:
    """Add ``shell`` for signed-in people; pages of strangers do without."""
    user = getattr(request, "user", None)
    return {"shell": Shell(request) if user and user.is_authenticated else None}
