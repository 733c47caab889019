"""Cells of the volumes' table that change while one looks, as markup.

Made in Python, not by a template for each cell: fifty rows are drawn with every page.
"""

from __future__ import annotations

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from backups.models import Backup
from portal.models import Resource, Task
from portal.models.resources import NEVER
from portal.templatetags.ui import power_status, status, when

ERROR_CHARACTERS = 120
_BACKUP = "create_volume_backup"
_DOING = {
    _BACKUP: "In progress",
    "restore_volume_backup": "Restoring",
    "delete_volume_backup": "Deleting a backup",
}


def last_backup(volume: Resource, task: Task | None, failure: Backup | None) -> SafeString:
    """How the latest backup went, with its time; of one under way, how far it is (R085, R087).

    One element, ``last-<id>``; while a task is on the volume the page's poll asks for it anew.
    """
    inner = _progress(volume, task) if task else _outcome(volume, failure)
    live = format_html(' data-live="volume:{}"', volume.pk) if task else ""
    return format_html('<div id="last-{}"{}>{}</div>', volume.pk, live, inner)


def _progress(volume: Resource, task: Task) -> SafeString:
    word = _DOING.get(task.kind, "In progress")
    if task.state == Task.State.QUEUED:
        return status("idle", "clock", "Waiting")
    return _bar(word, task.percent, volume.name)


def _bar(word: str, percent: int, name: str) -> SafeString:
    return format_html(
        '<div class="prog"><div>{}<span>{}%</span></div>'
        '<progress value="{}" max="100" aria-label="{} {}"></progress></div>',
        status("run", "spin", word), percent, percent, word, name,
    )  # fmt: skip


def _outcome(volume: Resource, failure: Backup | None) -> SafeString:
    mark = last_word(volume, None)
    return _trouble(volume, mark, failure) if volume.last_backup_status in TOLD else mark


# What went wrong, and says why.
TOLD = (Backup.Status.FAILED, Backup.Status.MISSED)


def last_word(volume: Resource, task: Task | None) -> SafeString:
    """How the latest backup went, in a word and its time."""
    if task:
        return status("run", "spin", _DOING.get(task.kind, "In progress"))
    if volume.last_backup_at == NEVER:
        return status("idle", "dash", "Not backed up")
    at = when(volume.last_backup_at, volume.account.zone)
    match volume.last_backup_status:
        case Backup.Status.READY:
            return status("ok", "okcircle", at)
        case Backup.Status.FAILED:
            return status("bad", "xcircle", format_html("Failed: {}", at))
        case Backup.Status.MISSED:
            return status("warn", "clock", format_html("Missed: {}", at))
        case _:
            return status("run", "spin", "In progress")


def _trouble(volume: Resource, mark: SafeString, failure: Backup | None) -> SafeString:
    """The cause in short, and the way to all that is known of it (R086)."""
    error = Truncator(failure.error if failure else "").chars(ERROR_CHARACTERS)
    url = reverse("volumes:volume_detail", args=[volume.account_id, volume.pk])
    return format_html(
        '{}<span class="sub">{} <a href="{}#last-backup">Details<span class="vh"> for {}</span></a>'
        "</span>",
        mark, error, url, volume.name,
    )  # fmt: skip


def state_of(volume: Resource, task: Task | None) -> SafeString:
    """Attached, detached, running, stopped, in maintenance or missing, as ``state-<id>``."""
    if task and task.is_maintenance:
        said = status("warn", "wrench", "In maintenance")
    elif volume.is_missing:
        said = status("bad", "alert", "Missing at the cloud")
    elif volume.is_desktop:
        said = power_status(volume)
    elif volume.attached_to:
        said = format_html('Attached<span class="sub">to {}</span>', volume.attached_to)
    else:
        said = format_html("Detached")
    return format_html('<span id="state-{}">{}</span>', volume.pk, said)


def backup_status(backup: Backup) -> SafeString:
    """How a backup stands, as ``backup-<id>``; the page's poll asks anew while that changes."""
    live = format_html(' data-live="volume_backup:{}"', backup.pk) if backup.is_moving else ""
    return format_html('<div id="backup-{}"{}>{}</div>', backup.pk, live, _standing(backup))


def _standing(backup: Backup) -> SafeString:
    match backup.status:
        case Backup.Status.READY:
            return status("ok", "okcircle", "Complete")
        case Backup.Status.CREATING if backup.task and backup.task.state == Task.State.QUEUED:
            return status("idle", "clock", "Waiting")
        case Backup.Status.CREATING:
            percent = backup.task.percent if backup.task else 0
            return _bar("In progress", percent, backup.name)
        case Backup.Status.DELETING:
            return status("run", "spin", "Deleting")
        case Backup.Status.FAILED:
            return _why(backup, status("bad", "xcircle", "Failed"))
        case Backup.Status.MISSED:
            return _why(backup, status("warn", "clock", "Missed"))
        case _:
            return status("idle", "minus", backup.get_status_display())


def _why(backup: Backup, mark: SafeString) -> SafeString:
    """What happened, and the way to the task, where there was one (R086, R088)."""
    error = Truncator(backup.error).chars(ERROR_CHARACTERS)
    if backup.task_id is None:
        return format_html('{}<span class="sub">{}</span>', mark, error)
    url = reverse("reporting:task_detail", args=[backup.account_id, backup.task_id])
    return format_html(
        '{}<span class="sub">{} <a href="{}">Details<span class="vh"> of {}</span></a></span>',
        mark, error, url, backup.name,
    )  # fmt: skip
