"""What the shell around every page shows: account, tasks, bell, navigation.

Nothing is asked before a template touches it, so fragments and the pages of strangers
cost no query; both counts are one query, asked once.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from django.conf import settings

from portal import __version__
from portal.access import LAST_ACCOUNT, permissions
from portal.models import Account, Notification, Role, RoleGrant, Task, User
from portal.paging import PreparedCounts
from portal.uuids import as_uuid

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from django.http import HttpRequest

# Counting stops here: the shell is on every page, and nobody reads the digits of more.
COUNT_CAP = 99


class Shell:
    """The shell of one request.

    ``account`` is what the view's access mark has found; on pages above accounts, the one
    that was looked at last, so that the way back stays on the page.
    """

    version = __version__

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def single_sign_on(self) -> str:
        """The name of the identity provider; empty where there is none."""
        return settings.OIDC_NAME if settings.OIDC_ISSUER else ""

    @property
    def _user(self) -> User:
        return cast("User", self._request.user)

    @cached_property
    def is_signed_in(self) -> bool:
        user = getattr(self._request, "user", None)
        return user is not None and user.is_authenticated

    @cached_property
    def account(self) -> Account | None:
        found: Account | None = getattr(self._request, "account", None)
        return found or self._last_account()

    def _last_account(self) -> Account | None:
        last = as_uuid(self._request.COOKIES.get(LAST_ACCOUNT, ""))
        if last is None or not self.is_signed_in:
            return None
        visible = Account.objects.visible_to(self._user)
        return visible.select_related("organization__customer").filter(pk=last).first()

    @cached_property
    def permissions(self) -> frozenset[str]:
        """What the person may do on the account."""
        found: frozenset[str] | None = getattr(self._request, "permissions", None)
        if found is not None or self.account is None:
            return found or frozenset()
        return permissions(self._user, self.account)

    @property
    def theme(self) -> str:
        """The theme chosen by cookie; empty follows the system."""
        theme = self._request.COOKIES.get("theme", "")
        return theme if theme in {"light", "dark"} else ""

    @cached_property
    def _counts(self) -> dict[str, int]:
        """Of the account's tasks and notifications, by one query."""
        if self.account is None:
            return dict.fromkeys((_ACTIVE, _UNREAD), 0)
        return _COUNTS.numbers(self.account.pk, self._user.pk)

    @property
    def active_task_count(self) -> int:
        """What was asked for and has not ended; COUNT_CAP + 1 stands for any more."""
        return self._counts[_ACTIVE]

    @property
    def unread_notification_count(self) -> int:
        """Notifications of the account that the person has not dismissed; capped likewise."""
        return self._counts[_UNREAD]

    @property
    def active_tasks(self) -> str:
        """How many tasks have not ended, in at most three characters."""
        return _capped(self.active_task_count)

    @property
    def unread_notifications(self) -> str:
        return _capped(self.unread_notification_count)

    @cached_property
    def _roles(self) -> frozenset[str]:
        found: frozenset[str] | None = getattr(self._request, "roles", None)
        if found is not None or not self.is_signed_in:
            return found or frozenset()
        return frozenset(RoleGrant.objects.filter(user=self._user).values_list("role", flat=True))

    @property
    def role(self) -> str:
        """The highest role the person holds anywhere, as the user menu names it."""
        return next((str(role.label) for role in Role if role.value in self._roles), "")

    @property
    def is_administrator(self) -> bool:
        """Whether the person administers a customer or an organization (R111, R112)."""
        above = {Role.CUSTOMER_ADMINISTRATOR.value, Role.ORGANIZATION_ADMINISTRATOR.value}
        return bool(self._roles & above)


def _active(account: UUID) -> QuerySet[Task]:
    return Task.objects.filter(account=account).on_top().active()


def _unread(account: UUID, user: UUID) -> QuerySet[Notification]:
    return Notification.objects.unread_by(User(pk=user), Account(pk=account))


_ACTIVE, _UNREAD = "active", "unread"
_COUNTS = PreparedCounts(
    (_ACTIVE, _UNREAD),
    lambda account, user: [_active(account), _unread(account, user)],
    COUNT_CAP,
)


def _capped(number: int) -> str:
    return f"{COUNT_CAP}+" if number > COUNT_CAP else str(number)


def shell(request: HttpRequest) -> dict[str, Shell]:
    """Give every template ``shell``."""
    return {"shell": Shell(request)}
