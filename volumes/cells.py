"""Rows of the two tables of the Volumes page, and the cells of them that change, as markup.

Made in Python: a page has fifty rows, and a template takes three times as long for them. What
most rows have is written out at once; whatever a person or a cloud may have typed goes through
`escape`: Python's own, as these are plain strings. The rest is left to `format_html`.
"""

from __future__ import annotations

from html import escape
from zoneinfo import ZoneInfo

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from backups.models import Backup, Replica
from portal.addresses import address
from portal.models import Resource, Task
from portal.models.resources import NEVER
from portal.templatetags.ui import icon, power_status, said, size, status, type_mark, when

ERROR_CHARACTERS = 120
_BACKUP = "create_volume_backup"
_DOING = {
    _BACKUP: "In progress",
    "restore_volume_backup": "Restoring",
    "delete_volume_backup": "Deleting a backup",
}


_REPLICATION: dict[str, tuple[str, str, str]] = {
    Replica.Status.IN_PROGRESS: ("run", "spin", "In-progress"),
    Replica.Status.DONE: ("ok", "okcircle", "Done"),
    Replica.Status.FAILED: ("bad", "xcircle", "Failed"),
}
_NOT_REPLICATED = SafeString('&ndash;<span class="vh">not replicated</span>')


def last_backup(volume: Resource, task: Task | None, error: str) -> SafeString:
    """How the latest backup went, with its time; of one under way, how far it is (R085, R087).

    ``error`` is why it failed or was missed. One element, ``last-<id>``; while a task is on the
    volume the page's poll asks for it anew.
    """
    inner = _progress(volume, task) if task else _outcome(volume, error)
    return _element(f"last-{volume.pk}", f"volume:{volume.pk}" if task else "", inner)


def _element(name: str, live: str, inner: str) -> SafeString:
    """A cell's content under its id. ``name`` and ``live`` are ours, ``inner`` is markup."""
    asks = f' data-live="{live}"' if live else ""
    return SafeString(f'<div id="{name}"{asks}>{inner}</div>')


def _progress(volume: Resource, task: Task) -> SafeString:
    word = _DOING.get(task.kind, "In progress")
    if task.state == Task.State.QUEUED:
        return said("idle", "clock", "Waiting")
    return _bar(word, task.percent, volume.name)


def _bar(word: str, percent: int, name: str) -> SafeString:
    return format_html(
        '<div class="prog"><div>{}<span>{}%</span></div>'
        '<progress value="{}" max="100" aria-label="{} {}"></progress></div>',
        said("run", "spin", word), percent, percent, word, name,
    )  # fmt: skip


def _outcome(volume: Resource, error: str) -> SafeString:
    mark = last_word(volume, None)
    return _trouble(volume, mark, error) if volume.last_backup_status in TOLD else mark


# What went wrong, and says why.
TOLD = (Backup.Status.FAILED, Backup.Status.MISSED)


def last_word(volume: Resource, task: Task | None) -> SafeString:
    """How the latest backup went, in a word and its time."""
    if task:
        return said("run", "spin", _DOING.get(task.kind, "In progress"))
    if volume.last_backup_at == NEVER:
        return said("idle", "dash", "Not backed up")
    at = when(volume.last_backup_at, volume.account.zone)
    match volume.last_backup_status:
        case Backup.Status.READY:
            return status("ok", "okcircle", at)
        case Backup.Status.FAILED:
            return status("bad", "xcircle", SafeString(f"Failed: {at}"))
        case Backup.Status.MISSED:
            return status("warn", "clock", SafeString(f"Missed: {at}"))
        case _:
            return said("run", "spin", "In progress")


def _trouble(volume: Resource, mark: SafeString, error: str) -> SafeString:
    """The cause in short, and the way to all that is known of it (R086)."""
    url = address("volumes:volume_detail", volume.account_id, volume.pk)
    return SafeString(
        f'{mark}<span class="sub">{escape(_in_short(error))} <a href="{url}#last-backup">Details'
        f'<span class="vh"> for {escape(volume.name)}</span></a></span>'
    )


def _in_short(error: str) -> str:
    # Truncator counts whole characters, which takes long; most errors need no cut.
    return error if len(error) <= ERROR_CHARACTERS else Truncator(error).chars(ERROR_CHARACTERS)


def state_of(volume: Resource, task: Task | None) -> SafeString:
    """Attached, detached, running, stopped, in maintenance or missing, as ``state-<id>``."""
    if task and task.is_maintenance:
        shown = said("warn", "wrench", "In maintenance")
    elif volume.is_missing:
        shown = said("bad", "alert", "Missing at the cloud")
    elif volume.is_desktop:
        shown = power_status(volume)
    elif volume.attached_to:
        shown = format_html('Attached<span class="sub">to {}</span>', volume.attached_to)
    else:
        shown = SafeString("Detached")
    return SafeString(f'<span id="state-{volume.pk}">{shown}</span>')


def replicated(volume: Resource) -> SafeString:
    """How the latest backup's replication stands, as ``replicated-<id>``; "" while that is off.

    The time of the newest replica stands beside it where the latest backup has none (R089).
    """
    if not volume.account.dr_enabled:
        return SafeString("")
    word = volume.last_replication_status
    shown = _REPLICATION.get(word)
    inner = said(*shown) if shown else _NOT_REPLICATED
    if word != Replica.Status.DONE and volume.last_replica_at != NEVER:
        at = when(volume.last_replica_at, volume.account.zone)
        inner = format_html('{}<span class="sub">Replica of {}</span>', inner, at)
    live = f"volume:{volume.pk}" if is_replicating(volume) else ""
    return _element(f"replicated-{volume.pk}", live, inner)


def is_replicating(volume: Resource) -> bool:
    return volume.last_replication_status == Replica.Status.IN_PROGRESS


def backup_status(backup: Backup) -> SafeString:
    """How a backup stands, as ``backup-<id>``; the page's poll asks anew while that changes."""
    live = f' data-live="volume_backup:{backup.pk}"' if backup.is_moving else ""
    return SafeString(f'<div class="told" id="backup-{backup.pk}"{live}>{_standing(backup)}</div>')


def _standing(backup: Backup) -> SafeString:
    match backup.status:
        case Backup.Status.READY:
            return said("ok", "okcircle", "Complete")
        case Backup.Status.CREATING if backup.task and backup.task.state == Task.State.QUEUED:
            return said("idle", "clock", "Waiting")
        case Backup.Status.CREATING:
            percent = backup.task.percent if backup.task else 0
            return _bar("In progress", percent, backup.name)
        case Backup.Status.DELETING:
            return said("run", "spin", "Deleting")
        case Backup.Status.FAILED:
            return _why(backup, said("bad", "xcircle", "Failed"))
        case Backup.Status.MISSED:
            return _why(backup, said("warn", "clock", "Missed"))
        case _:
            return status("idle", "minus", backup.get_status_display())


def _why(backup: Backup, mark: SafeString) -> SafeString:
    """What happened, and the way to the task, where there was one (R086, R088)."""
    error = escape(_in_short(backup.error))
    if backup.task_id is None:
        return SafeString(f'{mark}<span class="sub">{error}</span>')
    url = address("reporting:task_detail", backup.account_id, backup.task_id)
    return SafeString(
        f'{mark}<span class="sub">{error} <a href="{url}">Details<span class="vh"> of '
        f"{escape(backup.name)}</span></a></span>"
    )


# Rows. Roles by name: the cards of narrow screens lose them otherwise.

# Looked up here: Django's get_FOO_display makes the whole list of choices anew for each row.
_KIND_WORDS = {kind.value: str(kind.label) for kind in Resource.Kind}
_TYPE_WORDS = {each.value: str(each.label) for each in Backup.Type}
_IN_USE = "Made while the volume was in use: it is as after a power cut."


def volume_row(
    volume: Resource, base: str, state: SafeString, last: SafeString, replication: str, *, may: bool
) -> str:
    """One line of the Volumes tab. ``base`` is the tab's address; ``may``: with tick and menu.

    ``replication`` is what its cell holds, "" while disaster recovery is off.
    """
    if replication:
        replication = f'<td role="cell" data-label="Replication Status">{replication}</td>'
    pk, name = str(volume.pk), escape(volume.name)
    url = f"{base}{pk}/"
    tick = (
        f'<td role="cell" class="sel"><input type="checkbox" name="volume" value="{pk}" '
        f'aria-label="Select {name}"></td>'
    )
    return (
        f'<tr role="row">{tick if may else ""}<td role="cell" class="lead name"><a href="{url}" '
        f'data-card="card-{pk}" data-hx-get="{url}card/" data-hx-trigger="pointerenter once, '
        f'focus once" data-hx-target="#card-{pk}">{name}</a>'
        f'<div class="card" id="card-{pk}" popover="manual"></div></td>'
        f'<td role="cell" data-label="User">{_user(volume.user_name)}</td>'
        f'<td role="cell" data-label="Type" data-p="2" class="nowrap">'
        f"{_KIND_WORDS[volume.kind]}</td>"
        f'<td role="cell" data-label="Size" data-p="2" class="num">{size(volume.size_bytes)}</td>'
        f'<td role="cell" data-label="State" data-p="2">{state}</td>'
        f'<td role="cell" data-label="Last backup">{last}</td>{replication}'
        f'<td role="cell" class="act">{_menu(pk, name, url, url) if may else ""}</td></tr>'
    )


def backup_row(
    backup: Backup,
    volume: tuple[str, str],
    base: str,
    volumes: str,
    zone: ZoneInfo,
    replication: str,
    *,
    may: bool,
) -> str:
    """One line of the Backups tab; ``base`` and ``volumes`` are the addresses of the tabs.

    ``volume`` is the name and the user of what was backed up. ``replication`` is the cell of
    its replication, "" while disaster recovery is off (R089).
    """
    view, name = f"{volumes}{backup.resource_id}/", escape(backup.name)
    of, user = escape(volume[0]), _user(volume[1])
    pk = str(backup.pk)
    menu = _menu(pk, f"{name} of {of}", f"{base}{pk}/", view) if may else ""
    type_ = type_mark(backup.type, _TYPE_WORDS[backup.type])
    return (
        f'<tr role="row"><td role="cell" class="lead">{name}{_notes(backup)}</td>'
        f'<td role="cell" data-label="Volume" class="name"><a href="{view}">{of}</a>'
        f'<span class="sub">{_KIND_WORDS[backup.kind]}</span></td>'
        f'<td role="cell" data-label="User" data-p="2">{user}</td>'
        f'<td role="cell" data-label="Created" class="nowrap">{when(backup.created_at, zone)}</td>'
        f'<td role="cell" data-label="Type">{type_}</td>'
        f'<td role="cell" data-label="Size" data-p="2" class="num">{size(backup.size_bytes)}</td>'
        f'<td role="cell" data-label="Status">{backup_status(backup)}</td>{replication}'
        f'<td role="cell" class="act">{menu}</td></tr>'
    )


def _user(name: str) -> str:
    """An address is broken at its @, if at all."""
    return escape(name).replace("@", "@<wbr>")


def _menu(pk: str, name: str, url: str, view: str) -> str:
    """Loaded when it is opened first; without script it has the way to the volume."""
    return (
        f'<button type="button" class="btn-icon" popovertarget="menu-{pk}" '
        f'aria-label="Actions for {name}" data-hx-get="{url}menu/" data-hx-trigger="click once" '
        f'data-hx-target="#menu-{pk}" data-hx-swap="innerHTML">{icon("kebab")}</button>'
        f'<ul class="menu" id="menu-{pk}" popover><li><a href="{view}">View volume</a></li></ul>'
    )


def _notes(backup: Backup) -> SafeString:
    """What else there is to say of a backup, below its name."""
    if not (backup.is_pinned or backup.is_crash_consistent or backup.description):
        return SafeString("")
    return format_html(
        "{}{}{}",
        SafeString('<span class="sub">Pinned</span>') if backup.is_pinned else "",
        format_html('<span class="sub" title="{}">Crash-consistent</span>', _IN_USE)
        if backup.is_crash_consistent
        else "",
        format_html('<span class="sub">{}</span>', backup.description)
        if backup.description
        else "",
    )
