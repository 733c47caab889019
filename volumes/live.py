"""Parts of the Volumes page that move (`portal.live`): cells of what is under way, the progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from portal.access import Request
from portal.live import Moved, draws
from volumes.backup_lists import backups_named, running_of
from volumes.cells import backup_status
from volumes.lists import rows_of, volumes_named
from volumes.services import tallies_of, time_left


@draws("volume")
def volumes(request: Request, arguments: list[str]) -> Moved:
    """What changes of volumes, by id: cells alone, so that no tick and no menu is lost."""
    rows = rows_of(volumes_named(request.account, arguments))
    shown = [cell for row in rows for cell in (row.last, row.state, row.replicated) if cell]
    cells = [(_swapped(cell),) for cell in shown]
    return Moved(format_html_join("", "{}", cells), any(row.is_moving for row in rows))


@draws("volume_backup")
def backups(request: Request, arguments: list[str]) -> Moved:
    """How backups in the list stand, by id."""
    found = backups_named(request.account, arguments)
    cells = [(_swapped(backup_status(backup)),) for backup in found]
    return Moved(format_html_join("", "{}", cells), any(each.is_moving for each in found))


@draws("volume_progress")
def progress(request: Request, arguments: list[str]) -> Moved:
    """The indicator above the Backups section (R065)."""
    context = progress_context(request)
    html = render_to_string("volumes/_volume_progress.html", context | {"oob": True}, request)
    # Sizes and numbers beside the list have changed by then.
    events = () if context["is_running"] else ("volumes-settled",)
    return Moved(html, bool(context["is_running"]), events)


def progress_context(request: Request, counted: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Bulk backups under way with their counts, and how many single ones there are.

    ``counted`` as `running_of` takes it.
    """
    parents, single = running_of(request.account, counted)
    tallies = tallies_of(parents)
    jobs = [(task, tallies[task.pk], time_left(task, tallies[task.pk])) for task in parents]
    return {"jobs": jobs, "single": single, "is_running": bool(jobs or single)}


def _swapped(cell: SafeString) -> SafeString:
    """The same element, marked to take the place of the one on the page; it begins with its id."""
    return SafeString(cell.replace(" id=", ' data-hx-swap-oob="true" id=', 1))
