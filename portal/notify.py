"""Telling an account's people what happened: the only writer of notifications."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from portal.models import Account, Notification, Task

Level, Kind = Notification.Level, Notification.Kind

_followers: list[Callable[[Notification], None]] = []


def after_telling(follow: Callable[[Notification], None]) -> Callable[[Notification], None]:
    """Call ``follow(notification)`` in the transaction in which one is written. A decorator."""
    _followers.append(follow)
    return follow


def tell(
    account: Account,
    level: str,
    title: str,
    body: str = "",
    *,
    kind: str,
    task: Task | None = None,
) -> None:
    """Add a notification. A task tells one thing once, however often its end is written."""
    facts = {"account": account, "level": level, "kind": kind, "body": body}
    with transaction.atomic():
        if task:
            told, is_new = Notification.objects.get_or_create(
                task=task, title=title[:200], defaults=facts
            )
        else:
            told, is_new = Notification.objects.create(title=title[:200], **facts), True
        for follow in _followers if is_new else ():
            follow(told)
