"""Telling an account's people what happened: the only writer of notifications."""

from __future__ import annotations

from portal.models import Account, Notification, Task

Level = Notification.Level


def tell(
    account: Account, level: str, title: str, body: str = "", *, task: Task | None = None
) -> None:
    """Add a notification. A task tells one thing once, however often its end is written."""
    facts = {"account": account, "level": level, "body": body}
    if task:
        Notification.objects.get_or_create(task=task, title=title[:200], defaults=facts)
    else:
        Notification.objects.create(title=title[:200], **facts)
