"""Words and marks of the pages: icons, states, times, sizes, fields, navigation.

A builtin library (settings): templates use these without loading them. Everything
escapes what it is given.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import template
from django.forms import BoundField, CheckboxInput, Select
from django.forms.widgets import RadioSelect
from django.template import Context
from django.templatetags.static import static
from django.urls import NoReverseMatch
from django.utils import timezone
from django.utils.html import conditional_escape, escape, format_html
from django.utils.safestring import SafeString

from portal.addresses import address
from portal.paging import Order

register = template.Library()


# What `url` gives where every argument is an id; the shell of each page has a dozen.
register.simple_tag(address)


class Look(NamedTuple):
    """Colour and shape of a state; its word always stands beside them."""

    tone: str
    icon: str


UNKNOWN = Look("idle", "dash")
# Colours of R160: done green, failing and failed red, cancelling and cancelled gray, running blue.
TASK_LOOK = {
    "queued": Look("idle", "clock"),
    "running": Look("run", "spin"),
    "failing": Look("bad", "spin"),
    "canceling": Look("idle", "spin"),
    "done": Look("ok", "okcircle"),
    "failed": Look("bad", "xcircle"),
    "canceled": Look("idle", "minus"),
}
POWER_LOOK = {"on": ("ok", "Running"), "off": ("idle", "Stopped")}
LEVEL_LOOK = {
    "info": Look("info", "info"),
    "success": Look("ok", "okcircle"),
    "warning": Look("warn", "alert"),
    "error": Look("bad", "xcircle"),
}
LEVEL_WORDS = {"info": "Info", "success": "Done", "warning": "Warning", "error": "Error"}
RESULT_LOOK = {
    "requested": Look("run", "tasks"),
    "done": Look("ok", "okcircle"),
    "refused": Look("bad", "xcircle"),
    "failed": Look("bad", "xcircle"),
}


@register.simple_tag
@cache
def icon(name: str, extra: str = "") -> SafeString:
    """An icon of the sprite, hidden from screen readers; ``extra`` are classes such as ``spin``."""
    classes = f"icon {extra}".strip()
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}"/></svg>', classes, icon_href(name)
    )


@register.simple_tag
def icon_href(name: str) -> str:
    """The address of an icon in the sprite."""
    return f"{static('portal/icons.svg')}#i-{name}"


# A list draws a hundred: only the words differ, so the rest is made once.
@cache
def _opening(part: str, tone: str, name: str) -> SafeString:
    shape = icon(name, "spin" if name == "spin" else "")
    return format_html('<span class="{}" data-tone="{}">{}', part, tone, shape)


def _mark(part: str, tone: str, name: str, text: str) -> SafeString:
    return SafeString(f"{_opening(part, tone, name)}{conditional_escape(text)}</span>")


@register.simple_tag
def status(tone: str, name: str, text: str) -> SafeString:
    """Icon and word in a tone (ok, warn, bad, run, info, idle)."""
    return _mark("status", tone, name, text)


# A list draws fifty of the same.
@cache
def said(tone: str, name: str, word: str) -> SafeString:
    """The same for words of ours, of which there are few: made once each."""
    return status(tone, name, word)


@register.simple_tag
def pill(tone: str, name: str, text: str) -> SafeString:
    """A state as it stands beside a title."""
    return _mark("pill", tone, name, text)


@register.filter
def task_status(task: Any) -> SafeString:
    """A task's state in its words and colour (R160)."""
    return status(*TASK_LOOK.get(task.state, UNKNOWN), task.get_state_display())


@register.filter
def power_status(resource: Any) -> SafeString:
    """Power of a server: Running, Stopped or Unknown."""
    tone, word = POWER_LOOK.get(resource.power_state, ("idle", "Unknown"))
    return said(tone, "power", word)


@register.filter
def power_pill(resource: Any) -> SafeString:
    """Power of a server beside its name."""
    tone, word = POWER_LOOK.get(resource.power_state, ("idle", "Unknown"))
    return pill(tone, "power", word)


@register.filter
def result_status(entry: Any) -> SafeString:
    """The result of an audit entry."""
    return status(*RESULT_LOOK.get(entry.result, UNKNOWN), entry.get_result_display())


@register.filter
def level_tone(notification: Any) -> str:
    """The tone of a notification's level, or of a Django message's."""
    return LEVEL_LOOK.get(_level(notification), UNKNOWN).tone


@register.filter
def level_icon(notification: Any) -> SafeString:
    """The icon of a notification's level, or of a Django message's, with its word for readers."""
    level = _level(notification)
    shape = icon(LEVEL_LOOK.get(level, UNKNOWN).icon)
    return format_html('{}<span class="vh">{}: </span>', shape, LEVEL_WORDS.get(level, ""))


def _level(notification: Any) -> str:
    """The name of a level: a message has a number for it, and the name as ``level_tag``."""
    if isinstance(notification, str):
        return notification
    return str(getattr(notification, "level_tag", "") or getattr(notification, "level", ""))


@register.filter
@register.simple_tag
def type_badge(backup: Any) -> SafeString:
    """The letter of a backup's type (P, M, S, D), its word for readers and on hover (R026)."""
    return type_mark(backup.type, backup.get_type_display())


@cache
def type_mark(letter: str, word: str) -> SafeString:
    """The same of a type given by its letter and its word."""
    return format_html(
        '<span class="type" data-type="{0}" title="{1}"><span aria-hidden="true">{0}</span>'
        '<span class="vh">{1}</span></span>',
        letter,
        word,
    )


def _nothing(reason: str) -> SafeString:
    """The dash of an empty value, with its reason for screen readers."""
    return format_html('<span aria-hidden="true">&ndash;</span><span class="vh">{}</span>', reason)


@register.filter
def size(size_bytes: int | None) -> str:
    """Bytes with one decimal. 1 GB is 2**30 bytes, as hypervisors count."""
    if size_bytes is None:
        return _nothing("Size not known")
    amount = float(size_bytes)
    if amount < 1024:
        return f"{size_bytes} B"
    for unit in ("KB", "MB", "GB"):
        amount /= 1024
        # 1023.95 of a unit would be shown as 1024.0 of it.
        if amount < 1023.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1024:.1f} TB"


def moment(at: datetime, zone: ZoneInfo, now: datetime) -> str:
    """``Today, 02:11``, ``Yesterday, 22:00``, ``Tomorrow, 02:00``, else ``17 Nov 2025, 18:30``."""
    local = at.astimezone(zone)
    days = (local.date() - now.astimezone(zone).date()).days
    day = {-1: "Yesterday", 0: "Today", 1: "Tomorrow"}.get(days) or f"{local.day} {local:%b %Y}"
    return f"{day}, {local:%H:%M}"


def _time(at: datetime, text: str, title: str = "") -> SafeString:
    """``text`` and ``title`` are words of ours for a time, with nothing to escape."""
    # Half the time strftime takes, and a list has fifty.
    stamp = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    hint = f' title="{title}"' if title else ""
    return SafeString(f'<time datetime="{stamp}Z"{hint}>{text}</time>')


def _zone(zone: ZoneInfo | None) -> ZoneInfo:
    return zone or ZoneInfo(timezone.get_current_timezone_name())


@register.filter
def when(at: datetime | None, zone: ZoneInfo | None = None) -> SafeString:
    """A time as read in a zone (``account.zone``; else the current one), machine-readable too."""
    if at is None:
        return _nothing("Never")
    return _time(at, moment(at, _zone(zone), timezone.now()))


@register.filter
def in_zone(at: datetime | None, zone: str) -> SafeString:
    """The same in a zone given by its IANA name."""
    return when(at, ZoneInfo(zone))


@register.filter
def duration(span: timedelta | float | None) -> str:
    """``10 s``, ``4 min``, ``2 h 06 min``, ``3 d 4 h``; a plain number is seconds."""
    if span is None:
        return _nothing("Not known")
    seconds = max(0, int(span.total_seconds() if isinstance(span, timedelta) else span))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
    return f"{seconds // 86400} d {seconds % 86400 // 3600} h"


@register.filter
def since(at: datetime | None) -> str:
    """Time from then to now, as ``duration``."""
    return duration(timezone.now() - at if at else None)


def distance(at: datetime, now: datetime) -> str:
    """``just now``, ``4 min ago``, ``5 h ago``, ``6 days ago``, or ``in 4 min``."""
    seconds = abs(int((now - at).total_seconds()))
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        text = f"{seconds // 60} min"
    elif seconds < 86400:
        text = f"{seconds // 3600} h"
    else:
        text = f"{seconds // 86400} day{'s' if seconds >= 2 * 86400 else ''}"
    return f"{text} ago" if at <= now else f"in {text}"


@register.filter
def ago(at: datetime | None, zone: ZoneInfo | None = None) -> SafeString:
    """How long ago it was, with the time itself on hover."""
    if at is None:
        return _nothing("Never")
    now = timezone.now()
    return _time(at, distance(at, now), moment(at, _zone(zone), now))


@register.filter
def kind_of(field: BoundField) -> str:
    """What a form field is drawn as: checkbox, switch, choices, select or input."""
    control = field.field.widget
    if isinstance(control, CheckboxInput):
        return "switch" if control.attrs.get("role") == "switch" else "checkbox"
    if isinstance(control, RadioSelect):  # CheckboxSelectMultiple is one too
        return "choices"
    if isinstance(control, Select) and not control.allow_multiple_selected:
        return "select"
    return "input"


@register.simple_tag
def widget(field: BoundField, **attrs: str) -> SafeString:
    """A form field's control in our dress, with further attributes (``autofocus=""``)."""
    dress = {"checkbox": "", "choices": "", "switch": "switch"}.get(kind_of(field), "input")
    given = str(field.field.widget.attrs.get("class", ""))
    classes = given if dress in given.split() else f"{given} {dress}".strip()
    dressed: dict[str, str | bool] = {"class": classes} if classes else {}
    dressed.update((name.replace("_", "-"), value) for name, value in attrs.items())
    return field.as_widget(attrs=dressed)


@register.simple_tag(takes_context=True)
def url_with(context: Context, **changes: Any) -> str:
    """The present address with some of its query changed; None or "" drops a parameter."""
    query = dict(context["request"].GET.lists())
    for name, value in changes.items():
        if value in (None, ""):
            query.pop(name, None)
        else:
            query[name] = [str(value)]
    return f"?{urlencode(query, doseq=True)}"


@register.simple_tag(takes_context=True)
def url_at(context: Context, name: str, value: Any) -> str:
    """``url_with`` for a parameter whose name is only known to the table."""
    return url_with(context, **{name: value})


@register.simple_tag(takes_context=True)
def sort_by(context: Context, field: str, text: str) -> SafeString:
    """The head of a column that sorts a list paged by key (``page``, of `portal.paging`)."""
    order = context["page"].order
    is_here, is_descending = order.field == field, order == Order(field, is_descending=True)
    sign = "" if is_descending else "-"
    target = escape(url_with(context, sort=f"{sign}{field}", before="", after=""))
    arrow = f" {icon('sort', '' if is_descending else 'up')}" if is_here else ""
    return SafeString(f'<a href="{target}" data-hx-get="{target}">{escape(text)}{arrow}</a>')


def _family(view_name: str) -> str:
    """What a page is about: ``reporting:task`` of ``reporting:task_detail``."""
    return view_name.rpartition("_")[0] or view_name


@register.simple_tag(takes_context=True)
def nav_link(
    context: Context,
    view_name: str,
    icon_name: str,
    text: str,
    account: Any = None,
    *,
    count: str = "",
    counted: str = "",
) -> SafeString:
    """A link of the side navigation, marked while pages of its object are shown.

    A page may say where it belongs by ``section`` (a view name) in its context. An
    address nobody serves is left out: the ground floor stands without the apps above it.
    ``counted`` says what ``count`` counts; "unread" stands out.
    """
    try:
        target = address(view_name, *([account.pk] if account else []))
    except NoReverseMatch:
        return SafeString("")
    match = getattr(context.get("request"), "resolver_match", None)
    here = context.get("section") or (match.view_name if match else "")
    current = ' aria-current="page"' if _family(here) == _family(view_name) else ""
    number = _count(count, counted) if count not in ("", "0") else ""
    shape = icon(icon_name)
    return SafeString(f'<a href="{target}"{current}>{shape}{escape(text)}{number}</a>')


def _count(count: str, counted: str) -> SafeString:
    tone = SafeString(' data-tone="bad"') if counted == "unread" else ""
    return format_html(
        '<span class="count"{}>{}<span class="vh"> {}</span></span>', tone, count, counted
    )
