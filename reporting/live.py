"""Parts of these pages that move (`portal.live`): rows, opened tasks, the tray, the overview."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from portal.access import Permission, Request
from portal.live import Moved, draws
from portal.models import CloudAccount, Task
from portal.uuids import as_uuid
from reporting.children import facets_of
from reporting.detail import cloud_detail_of, detail_of
from reporting.standing import standings_of, starts_others

OVERVIEW_ROWS = 5
TRAY_ACTIVE, TRAY_ENDED = 10, 5


# More tasks under way than these are not put in order.
ORDERED = 1000


def tasks_of(request: Request) -> QuerySet[Task]:
    """Tasks of the request's account, with what the pages show beside them."""
    tasks = Task.objects.filter(account=request.account)
    return tasks.select_related("requested_by", "resource", "account")


def _under_way(tasks: QuerySet[Task], count: int, *, newest_first: bool) -> list[Task]:
    """The newest or oldest that were asked for and have not ended.

    Chosen before they are read: asked for in order, SQLite reads years of ended ones.
    """
    active = tasks.filter(parent=None, state__in=Task.ACTIVE).order_by()
    times = sorted(active.values_list("created_at", "pk")[:ORDERED], reverse=newest_first)
    order = [pk for _, pk in times[:count]]
    return sorted(tasks.filter(pk__in=order), key=lambda task: order.index(task.pk))


def _draw(request: Request, template: str, context: dict[str, Any]) -> SafeString:
    return render_to_string(f"reporting/{template}.html", context | {"oob": True}, request)


def _joined(parts: list[SafeString]) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))


@draws("row")
def rows(request: Request, arguments: list[str]) -> Moved:
    """Status and duration of tasks in a list, by id."""
    tasks = list(tasks_of(request).filter(pk__in=filter(None, map(as_uuid, arguments))))
    html = _draw(request, "_task_rows", {"standings": standings_of(tasks)})
    return Moved(html, any(task.is_active for task in tasks))


@draws("task")
def opened_tasks(request: Request, arguments: list[str]) -> Moved:
    """Whole tasks, on their page or in opened rows, by id."""
    tasks = list(tasks_of(request).filter(pk__in=filter(None, map(as_uuid, arguments))))
    parts = [_draw(request, "_task", detail_of(request, task)) for task in tasks]
    return Moved(_joined(parts), any(task.is_active for task in tasks))


@draws("tally")
def tallies(request: Request, arguments: list[str]) -> Moved:
    """How many of a task's children stand where, by its id.

    ``<id>,empty`` is a list that showed none of them: when there are some it is drawn anew,
    and every list when all have ended.
    """
    empty = {as_uuid(pk): bool(flag) for pk, _, flag in (each.partition(",") for each in arguments)}
    tasks = tasks_of(request).filter(pk__in=filter(None, empty))
    found = standings_of([task for task in tasks if starts_others(task)])
    facets = [facets_of(each.tally) for each in found if each.tally]
    html = _joined([_draw(request, "_task_counts", {"facets": each}) for each in facets])
    is_due = [not each.task.is_active or (empty[each.task.pk] and each.has_begun) for each in found]
    moves = any(each.task.is_active for each in found)
    return Moved(html, moves, ("settled",) if any(is_due) else ())


@draws("cloud_task", of_account=False)
def cloud_tasks(request: Request, arguments: list[str]) -> Moved:
    """Whole tasks of cloud accounts, by id."""
    tasks = Task.objects.filter(
        account=None, cloud_account__in=CloudAccount.objects.visible_to(request.user)
    )
    tasks = tasks.select_related("requested_by", "cloud_account").defer("cloud_account__secrets")
    found = list(tasks.filter(pk__in=filter(None, map(as_uuid, arguments))))
    parts = [_draw(request, "_task", cloud_detail_of(task)) for task in found]
    return Moved(_joined(parts), any(task.is_active for task in found))


@draws("tray")
def tray(request: Request, arguments: list[str]) -> Moved:
    """The list of the header's widget."""
    context = tray_context(request)
    return Moved(_draw(request, "_task_tray", context), bool(context["is_active"]))


def tray_context(request: Request) -> dict[str, Any]:
    """What runs, newest first, and what has ended and was not acknowledged (R161)."""
    active = _under_way(tasks_of(request), TRAY_ACTIVE, newest_first=True)
    # Children are never here: they begin acknowledged. To ask for none of them would lead
    # SQLite to another index, and through years of tasks.
    noted = tasks_of(request).filter(acknowledged_at=None).exclude(state__in=Task.ACTIVE)
    ended = list(noted.order_by("-created_at")[:TRAY_ENDED])
    return {
        "standings": standings_of(active + ended),
        "is_active": bool(active),
        "ended": ended,
        "manages": Permission.MANAGE_TASKS in request.permissions,
    }


@draws("overview")
def overview_tasks(request: Request, arguments: list[str]) -> Moved:
    """Tasks in progress. When one of those shown (ids with commas) has ended, the rest reloads."""
    context = overview_context(request)
    shown = {key for key in map(as_uuid, ",".join(arguments).split(",")[:OVERVIEW_ROWS]) if key}
    active = tasks_of(request).filter(pk__in=shown, state__in=Task.ACTIVE).count()
    events = ("settled",) if active < len(shown) else ()
    return Moved(_draw(request, "_overview_tasks", context), bool(context["standings"]), events)


def overview_context(request: Request) -> dict[str, Any]:
    """The oldest tasks that have not ended."""
    tasks = _under_way(tasks_of(request), OVERVIEW_ROWS, newest_first=False)
    return {"standings": standings_of(tasks)}
