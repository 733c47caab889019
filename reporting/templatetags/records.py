"""Words for the entries of the audit trail, and for deliveries of alerts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.models import AuditEntry, Resource
from portal.templatetags.ui import Look, status
from reporting.detail import page_of_resource
from reporting.models import AlertDelivery, DataAvailability
from reporting.words import action_label

register = template.Library()

State = AlertDelivery.State


class Change(NamedTuple):
    """One setting that was changed."""

    name: str
    before: str
    after: str


@register.filter
def action_words(entry: AuditEntry) -> str:
    """What was done, as people say it: ``Create backup``."""
    return action_label(entry.action)


@register.filter
def as_entity(resource: Resource) -> SafeString:
    """What something happened to: its name, leading to its page."""
    address = page_of_resource(resource)
    if not address:
        return format_html("{}", resource.name)
    return format_html('<a href="{}">{}</a>', address, resource.name)


@register.simple_tag
def kept_for(data_type: str) -> str:
    """How long records of a type are kept, in words (R145 to R155)."""
    row = DataAvailability.objects.filter(pk=data_type).first()
    if row is None:  # a migration makes it, and nobody deletes it; no page must hang on it
        return ""
    if row.is_starred:
        return "Kept while the account exists"
    if row.months is None:
        return "Kept without limit"
    return f"Kept for {row.months} month{'s' if row.months > 1 else ''}"


_DELIVERY_LOOK = {
    State.WAITING: Look("idle", "clock"),
    State.SENT: Look("ok", "okcircle"),
    State.FAILED: Look("bad", "xcircle"),
    State.CANCELED: Look("idle", "minus"),
}


@register.simple_tag
def alert_status(state: str, error: str) -> SafeString:
    """How the delivery of an alert stands; one that waits after an error is tried again."""
    if state == State.WAITING and error:
        return status("warn", "alert", "Trying again")
    return status(*_DELIVERY_LOOK[State(state)], State(state).label)


@register.filter
def changes(entry: AuditEntry) -> list[Change]:
    """What was changed, with its values before and after."""
    before, after = entry.detail.get("before"), entry.detail.get("after")
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return []
    names = dict.fromkeys([*before, *after])
    rows = (Change(_words(name), _text(before.get(name)), _text(after.get(name))) for name in names)
    return [row for row in rows if row.before != row.after]


@register.filter
def facts(entry: AuditEntry) -> list[tuple[str, str]]:
    """The rest of what was written down, by name."""
    left_out = {"before", "after", "task"} if changes(entry) else {"task"}
    return [
        (_words(name), _text(value))
        for name, value in entry.detail.items()
        if name not in left_out and value not in (None, "")
    ]


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _text(value: Any) -> str:
    match value:
        case None | "":
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_text, value)) or "nothing"
        case Mapping():
            return ", ".join(f"{_words(key)}: {_text(part)}" for key, part in value.items())
        case _:
            return str(value)
