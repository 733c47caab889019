"""What an alert says: a plain mail to a person, or JSON to a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from portal.models import Notification
from reporting.alert_channels import Mail, Webhook
from reporting.models import AlertDelivery, AlertItem, AlertRule

# A mail of more is read by nobody; the Notification Center has them all.
MOST_LISTED = 100
_TEST = "This is a test. The rule works; nothing has happened."


def message_of(
    delivery: AlertDelivery, rule: AlertRule, items: Sequence[AlertItem]
) -> Mail | Webhook:
    """The message of a delivery by its rule's channel."""
    if rule.is_webhook:
        payload = payload_of(delivery, rule, items)
        return Webhook(str(delivery.pk), rule.url, rule.secret.get("secret", ""), payload)
    subject = f"[Standby] {rule.account}: {_headline(delivery, items)}"
    # A line break in a subject would begin another header.
    subject = " ".join(subject.split())
    text = text_of(delivery, rule, items)
    return Mail(str(delivery.pk), tuple(rule.recipients), subject, text)


def _headline(delivery: AlertDelivery, items: Sequence[AlertItem]) -> str:
    if delivery.is_test:
        return "test alert"
    if len(items) == 1:
        return items[0].title
    errors = sum(item.level == Notification.Level.ERROR for item in items)
    more = f", {errors:,} error{'s' if errors != 1 else ''}" if errors else ""
    return f"{len(items):,} notifications{more}"


def text_of(delivery: AlertDelivery, rule: AlertRule, items: Sequence[AlertItem]) -> str:
    """The mail: what happened, to what, when, and what to do next."""
    parts = [_TEST] if delivery.is_test else [_item_text(rule, item) for item in _listed(items)]
    if len(items) > MOST_LISTED:
        parts.append(f"And {len(items) - MOST_LISTED:,} more, in the Notification Center.")
    account = rule.account
    foot = [
        "-- ",
        f"Standby, account {account} of {account.organization}. Rule “{rule}”.",
        f"Notification Center: {_address(rule, 'reporting:notification_list')}",
        f"Change or pause this rule: {_address(rule, 'reporting:alert_list')}",
    ]
    return "\n\n".join([*parts, "\n".join(foot)]) + "\n"


def _listed(items: Sequence[AlertItem]) -> Sequence[AlertItem]:
    """The worst first, then in order of time, as many as are named."""
    worst = {Notification.Level.ERROR: 0, Notification.Level.WARNING: 1}
    return sorted(items, key=lambda item: worst.get(Notification.Level(item.level), 2))[
        :MOST_LISTED
    ]


def _item_text(rule: AlertRule, item: AlertItem) -> str:
    zone = rule.account.zone
    lines = [f"{item.get_level_display().upper()}: {item.title}"]
    if body := item.body.strip():
        lines.append(body)
    if item.entity:
        lines.append(f"About: {item.entity}")
    local = item.told_at.astimezone(zone)
    lines.append(f"When: {local.day} {local:%b %Y, %H:%M}, {zone.key}")
    if item.task_id:
        address = _address(rule, "reporting:task_detail", item.task_id)
        lines.append(f"{_what_next(item)}: {address}")
    return "\n".join(lines)


def _what_next(item: AlertItem) -> str:
    if item.level == Notification.Level.INFO:
        return "Details in the task"
    return "Next: open the task, which says what failed and offers Retry where that helps"


def payload_of(
    delivery: AlertDelivery, rule: AlertRule, items: Sequence[AlertItem]
) -> dict[str, Any]:
    """What is posted. A later release may add to it."""
    account = rule.account
    return {
        "delivery": str(delivery.pk),
        "is_test": delivery.is_test,
        "rule": {"id": str(rule.pk), "name": rule.name},
        "account": {
            "id": str(account.pk),
            "name": account.name,
            "organization": account.organization.name,
        },
        "notifications": [_item_json(rule, item) for item in _listed(items)],
        "left_out": max(0, len(items) - MOST_LISTED),
    }


def _item_json(rule: AlertRule, item: AlertItem) -> dict[str, Any]:
    task = _address(rule, "reporting:task_detail", item.task_id) if item.task_id else None
    return {
        "id": str(item.notification_id),
        "kind": item.kind,
        "level": item.level,
        "title": item.title,
        "text": item.body,
        "entity": item.entity,
        "time": item.told_at.isoformat(),
        "task": task,
    }


def _address(rule: AlertRule, view: str, *keys: object) -> str:
    return rule.portal_url.rstrip("/") + reverse(view, args=[rule.account_id, *keys])
