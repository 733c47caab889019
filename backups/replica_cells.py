"""How a backup's replication stands, as a cell of a list (R089, R090)."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.models import Backup, Replica
from portal.models import Task
from portal.templatetags.ui import status

Status = Replica.Status
# Those of which the attempt itself is shown.
TOLD = (Status.IN_PROGRESS, Status.FAILED)


def attempts_of(backups: Iterable[Backup]) -> dict[UUID, Replica]:
    """The latest attempt of each backup that has something to tell of it; by one query, or none."""
    wanted = [each.pk for each in backups if each.replication_status in TOLD]
    if not wanted:
        return {}
    found = Replica.objects.filter(backup__in=wanted).select_related("task").order_by("created_at")
    return {replica.backup_id: replica for replica in found}


def replication_cell(backup: Backup, attempt: Replica | None, *, oob: bool = False) -> SafeString:
    """In-progress, Done or Failed, or a dash; while it moves, the page's poll asks for it anew."""
    is_moving = backup.replication_status == Status.IN_PROGRESS
    live = format_html(' data-live="replica:{}"', backup.pk) if is_moving else ""
    swap = SafeString(' data-hx-swap-oob="true"') if oob else ""
    inner = _inner(backup, attempt)
    return format_html('<div id="replica-{}"{}{}>{}</div>', backup.pk, swap, live, inner)


def _inner(backup: Backup, attempt: Replica | None) -> SafeString:
    match backup.replication_status:
        case Status.DONE:
            return status("ok", "okcircle", str(Status.DONE.label))
        case Status.IN_PROGRESS:
            return _progress(backup, attempt)
        case Status.FAILED:
            return _failure(backup, attempt)
        case _:
            return SafeString('&ndash;<span class="vh">not replicated</span>')


def _progress(backup: Backup, attempt: Replica | None) -> SafeString:
    task = attempt.task if attempt else None
    percent, said = (task.percent, task.message) if task else (0, "")
    return format_html(
        '<div class="prog"><div>{}<span>{}%</span></div>'
        '<progress value="{}" max="100" aria-label="Replication of {}"></progress></div>'
        '<span class="sub">{}</span>',
        status("run", "spin", str(Status.IN_PROGRESS.label)), percent, percent, backup.name, said,
    )  # fmt: skip


def _failure(backup: Backup, attempt: Replica | None) -> SafeString:
    mark = status("bad", "xcircle", str(Status.FAILED.label))
    if attempt is None:
        return mark
    return format_html(
        '<details class="why"><summary>{}<span class="vh">: what happened</span></summary>'
        '<p class="sub" data-tone="bad">{}</p>{}</details>',
        mark, attempt.error or "The reason was not recorded.", _way_on(backup, attempt.task),
    )  # fmt: skip


def _way_on(backup: Backup, task: Task | None) -> SafeString:
    """What to do, and the way to the task while it is there."""
    if task is None:
        return SafeString("")
    address = reverse("reporting:task_detail", args=[backup.account_id, task.pk])
    return format_html('<p class="sub">{} <a href="{}">View task</a></p>', task.advice, address)
