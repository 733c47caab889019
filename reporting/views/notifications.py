"""The Notification Center. Dismissing hides a notification from oneself alone (R162)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST
from django.views.decorators.vary import vary_on_headers

from portal.access import Permission, Request, account_view, wants_fragment
from portal.dialogs import done
from portal.models import Dismissal, Notification
from portal.paging import Order, page_of
from reporting import services
from reporting.forms import NotificationFilterForm

NEWEST_FIRST = Order("created_at", is_descending=True)


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def notification_list(request: Request) -> HttpResponse:
    form = NotificationFilterForm(request.GET, account=request.account)
    found = _shown(request, form).filter(form.condition()).select_related("task__resource")
    found = found.defer("task__args", "task__memory", "task__steps")
    page = page_of(found, NEWEST_FIRST, request.GET)
    context = {
        "form": form,
        "page": page,
        "days": _by_day(page.rows, request.account.zone),
        "now": timezone.now(),
        "may_alert": Permission.EDIT_SETTINGS in request.permissions,
    }
    part = wants_fragment(request)
    template = "_notifications" if part else "notification_list"
    return render(request, f"reporting/{template}.html", context)


def _shown(request: Request, form: NotificationFilterForm) -> QuerySet[Notification]:
    """What the person has not dismissed; with ``show=all`` the dismissed ones too, marked."""
    if not form.chosen("show"):
        return Notification.objects.unread_by(request.user, request.account)
    dismissed = Dismissal.objects.filter(user=request.user, notification=OuterRef("pk"))
    of_account = Notification.objects.filter(account=request.account)
    return of_account.annotate(is_dismissed=Exists(dismissed))


def _by_day(rows: Sequence[Notification], zone: ZoneInfo) -> list[tuple[str, list[Notification]]]:
    """Rows under the day they fall on in the zone, in the order given."""
    today = timezone.now().astimezone(zone).date()
    days = groupby(rows, key=lambda row: row.created_at.astimezone(zone).date())
    return [(_day_words(day, today), list(of_day)) for day, of_day in days]


def _day_words(day: date, today: date) -> str:
    if day == today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    return f"{day:%A} {day.day} {day:%B %Y}"


@account_view(Permission.VIEW)
@require_POST
def notification_dismiss(request: Request, notification: UUID) -> HttpResponse:
    of_account = Notification.objects.filter(account=request.account)
    services.dismiss_notification(request.user, get_object_or_404(of_account, pk=notification))
    return redirect(_back(request))


@account_view(Permission.VIEW)
@require_POST
def notification_dismiss_all(request: Request) -> HttpResponse:
    count = services.dismiss_all(request.user, request.account, until=_until(request))
    words = f"{count} notification{'s' if count != 1 else ''} dismissed. Others still see them."
    return done(request, words, _back(request))


def _until(request: Request) -> datetime | None:
    """When the page was drawn whose button was pressed; None for what is no time."""
    try:
        until = parse_datetime(request.POST.get("until", ""))
    except ValueError:
        return None
    return until if until and until.tzinfo else None


def _back(request: Request) -> str:
    """The list as it was narrowed; never an address of somebody else's."""
    home = reverse("reporting:notification_list", args=[request.account.pk])
    wanted = request.POST.get("back", "")
    is_ours = wanted.startswith(home) and url_has_allowed_host_and_scheme(wanted, None)
    return wanted if is_ours else home
