"""The design system's small parts as template tags and filters. Everything escapes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.forms import BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

# Task state -> tone and icon (R160).
TASK_LOOK = {
    "queued": ("idle", "dash"),
    "running": ("run", "spin"),
    "failing": ("bad", "spin"),
    "canceling": ("idle", "spin"),
    "done": ("ok", "okcircle"),
    "failed": ("bad", "xcircle"),
    "canceled": ("idle", "x"),
}
LEVEL_LOOK = {"info": ("info", "info"), "warning": ("warn", "alert"), "error": ("bad", "xcircle")}
RESULT_LOOK = {
    "requested": ("run", "tasks"),
    "done": ("ok", "okcircle"),
    "refused": ("bad", "xcircle"),
    "failed": ("bad", "xcircle"),
}


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of the sprite, hidden from readers; ``extra`` are classes such as ``spin``."""
    href = static("portal/icons.svg")
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#i-{}"/></svg>', extra, href, name
    )


@register.simple_tag
def icon_href(name: str) -> str:
    """The address of an icon in the sprite."""
    return f"{static('portal/icons.svg')}#i-{name}"


@register.simple_tag
def status(tone: str, name: str, text: str) -> SafeString:
    """A status: icon and word, never colour alone."""
    spin = "spin" if name == "spin" else ""
    return format_html(
        '<span class="status" data-tone="{}">{}{}</span>', tone, icon(name, spin), text
    )


@register.filter
def task_status(task: Any) -> SafeString:
    """A task's state in its words and colour (R160)."""
    tone, name = TASK_LOOK[task.state]
    return status(tone, name, task.get_state_display())


@register.filter
def power_status(resource: Any) -> SafeString:
    """Power of a server: Running, Stopped, or unknown."""
    words = {"on": ("ok", "Running"), "off": ("idle", "Stopped")}
    tone, word = words.get(resource.power_state, ("idle", "Unknown"))
    return status(tone, "power", word)


@register.filter
def result_status(entry: Any) -> SafeString:
    """The result of an audit entry."""
    tone, name = RESULT_LOOK[entry.result]
    return status(tone, name, entry.get_result_display())


@register.filter
def level_tone(notification: Any) -> str:
    return LEVEL_LOOK[notification.level][0]


@register.filter
def level_icon(notification: Any) -> SafeString:
    return icon(LEVEL_LOOK[notification.level][1])


@register.filter
def type_badge(backup: Any) -> SafeString:
    """The letter of a backup's type, its word for readers and on hover (R158)."""
    word = backup.get_type_display()
    return format_html(
        '<span class="type" data-type="{0}" title="{1}"><span aria-hidden="true">{0}</span>'
        '<span class="vh">{1}</span></span>',
        backup.type,
        word,
    )


@register.filter
def size(value: int | None) -> str:
    """Bytes as people read them: one decimal, binary units as the clusters count them."""
    if value is None:
        return "–"
    number = float(value)
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1024:
            return f"{number:.1f} {unit}" if unit != "B" else f"{int(number)} B"
        number /= 1024
    return f"{number:.1f} TB"


def moment(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """``Today, 02:11``, ``Yesterday, 22:00``, then ``17 Nov 2025, 18:30``, in a zone."""
    local, today = at.astimezone(zone), now.astimezone(zone).date()
    if local.date() == today:
        return f"Today, {local:%H:%M}"
    if local.date() == today - timedelta(days=1):
        return f"Yesterday, {local:%H:%M}"
    return f"{local.day} {local:%b %Y, %H:%M}"


@register.filter
def when(at: datetime | None, zone: ZoneInfo | None = None) -> SafeString:
    """A time in the account's zone, machine-readable too."""
    if at is None:
        return format_html('<span class="muted">–<span class="vh">not yet</span></span>')
    text = moment(at, zone or ZoneInfo("UTC"), timezone.now())
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), text)


@register.filter
def duration(value: timedelta | None) -> str:
    """``10 s``, ``4 min``, ``2 h 06 min``, ``3 d 4 h``."""
    if value is None:
        return "–"
    seconds = max(0, int(value.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    return f"{seconds // 86400} d {seconds % 86400 // 3600} h"


@register.filter
def since(at: datetime | None) -> str:
    """Time from then to now, as `duration`."""
    return duration(timezone.now() - at) if at else "–"


@register.filter
def kind_of(field: BoundField) -> str:
    """What a form field is drawn as: checkbox, select or input."""
    widget = type(field.field.widget).__name__
    if widget == "CheckboxInput":
        return "checkbox"
    return "select" if widget.startswith("Select") else "input"


@register.simple_tag(takes_context=True)
def url_with(context: dict[str, Any], **changes: Any) -> str:
    """The present address with some of its query changed; None or "" drops a parameter."""
    query = context["request"].GET.copy()
    for name, value in changes.items():
        if value in (None, ""):
            query.pop(name, None)
        else:
            query[name] = str(value)
    return f"?{query.urlencode()}" if query else "?"
