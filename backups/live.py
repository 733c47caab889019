"""Parts of these pages that move (`portal.live`): progress of a task, and the end of one."""

from __future__ import annotations

from collections.abc import Iterable

from django.template.loader import render_to_string
from django.utils.html import format_html_join

from backups.models import Backup
from backups.replica_cells import attempts_of, replication_cell
from portal.access import Request
from portal.live import Moved, draws
from portal.models import Task
from portal.uuids import as_uuid


def _tasks(request: Request, keys: Iterable[str]) -> list[Task]:
    wanted = filter(None, map(as_uuid, keys))
    return list(Task.objects.filter(account=request.account, pk__in=wanted))


@draws("progress")
def progress(request: Request, arguments: list[str]) -> Moved:
    """How tasks stand, as ``place.id``: one task may be shown at several places of a page."""
    places = [(place, key) for place, _, key in (text.partition(".") for text in arguments)]
    tasks = {str(task.pk): task for task in _tasks(request, (key for _, key in places))}
    parts = [
        render_to_string(
            "backups/_progress.html", {"task": tasks[key], "place": place, "oob": True}
        )
        for place, key in places
        if key in tasks
    ]
    html = format_html_join("", "{}", ((part,) for part in parts))
    return Moved(html, any(task.is_active for task in tasks.values()))


@draws("system")
def systems(request: Request, arguments: list[str]) -> Moved:
    """Nothing to see, by the task's id: the panel of a system reloads when its task has ended."""
    tasks = _tasks(request, arguments)
    ended = tuple(f"settled-{task.resource_id}" for task in tasks if not task.is_active)
    return Moved(format_html_join("", "", ()), any(task.is_active for task in tasks), ended)


@draws("replica")
def replicas(request: Request, arguments: list[str]) -> Moved:
    """How replications stand, by the backup's id."""
    wanted = filter(None, map(as_uuid, arguments))
    backups = list(Backup.objects.filter(account=request.account, pk__in=wanted))
    attempts = attempts_of(backups)
    parts = (replication_cell(each, attempts.get(each.pk), oob=True) for each in backups)
    html = format_html_join("", "{}", ((part,) for part in parts))
    return Moved(html, any(each.replication_status == "in_progress" for each in backups))
