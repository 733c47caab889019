"""Backup of many volumes: one task that starts a task for each, and waits for them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from django.db.models import Exists, F, OuterRef, QuerySet, Value

from backups.models import Backup, note_latest
from backups.scheduler import LATE_AT_MOST
from portal import engine
from portal.bulk import among, as_text, insert_from, lock_in_order, uuid_from
from portal.engine import clock
from portal.engine.workflow import Again, Learned, Step, Workflow, nothing
from portal.models import Account, Resource, Task
from portal.notify import Kind, Level, tell
from volumes import fan_out, services
from volumes.selection import Selection

if TYPE_CHECKING:
    from portal.audit import Actor

# Tasks made by one statement: more would hold up the others the same runner moves.
PORTION = 1000
# A parent is woken by its last child; this is for two that end at the same moment.
LOOK_SECONDS = 15
# How often a scheduled run looks whether what was busy is free.
BUSY_SECONDS = 60
NAMES = 3


def _volumes(task: Task) -> QuerySet[Resource]:
    if task.account is None:
        raise ValueError(f"task {task.pk} of volumes has no account")
    return Selection.from_json(task.args["selection"]).rows(task.account).order_by("pk")


def _due_at(task: Task) -> datetime | None:
    due = task.args.get("due_at")
    return datetime.fromisoformat(due) if due else None


def _start_portion(task: Task, learned: Learned) -> Learned | Again:
    """Start the next thousand; a scheduled run comes back to those that were busy."""
    memory, now = task.memory, clock.now()
    rows = _volumes(task)
    if due := _due_at(task):
        rows = rows.exclude(Exists(Backup.objects.filter(resource=OuterRef("pk"), due_at=due)))
    if after := memory.get("after"):
        rows = rows.filter(pk__gt=UUID(after))
    ids = list(rows.values_list("pk", flat=True)[:PORTION])
    if not ids:
        return _all_begun(task, now)
    begun = fan_out.start_backups(task, ids, now)
    sums = {
        name: memory.get(name, 0) + getattr(begun, name)
        for name in ("started", "missing", "full", "busy")
    }
    return Again({**sums, "after": str(ids[-1])}, percent=_percent(task, sums["started"]))


def _percent(task: Task, number: int) -> int:
    return min(99, 100 * number // max(1, int(task.args["count"])))


def _all_begun(task: Task, now: datetime) -> Learned | Again:
    """Go on, unless a scheduled run has to wait for what is busy, up to the limit (Q8)."""
    due, busy = _due_at(task), task.memory.get("busy", 0)
    if not due or not busy:
        return {}
    if now < due + LATE_AT_MOST:
        first = {"after": "", "busy": 0, "missing": 0}
        return Again(first, BUSY_SECONDS, message=f"{busy} busy; they begin when they are free")
    _mark_missed(task, due)
    return {}


def _mark_missed(task: Task, due: datetime) -> None:
    """Leave an entry for each volume that was busy all the time."""
    entry = {
        "id": uuid_from(as_text("pk"), Value(due.isoformat())),
        "resource": F("pk"),
        "account": F("account"),
        "kind": F("kind"),
        "name": task.args["name"],
        "type": Backup.Type.SCHEDULED,
        "status": Backup.Status.MISSED,
        "created_at": due,
        "due_at": due,
        "error": "The volume was busy for 6 hours.",
    }
    made = Backup.objects.filter(resource=OuterRef("pk"), due_at=due)
    rows = _volumes(task).filter(is_missing=False).exclude(Exists(made))
    ids = list(rows.values_list("pk", flat=True))
    missed = Resource.objects.filter(pk__in=among(ids))
    lock_in_order(missed)
    insert_from(Backup, missed, entry)
    note_latest(missed)


def look_at_children(task: Task, learned: Learned) -> Learned | Again:
    """`Step.save` of a task that waits for those it started; remembers how many ended how."""
    tally = services.tally_of(task)
    if tally.waiting or tally.running:
        message = f"{tally.ended} of {tally.total} ended"
        return Again({}, LOOK_SECONDS, percent=tally.percent, message=message)
    return {"done": tally.done, "failed": tally.failed, "canceled": tally.canceled}


def stop_children(task: Task, learned: Learned) -> Learned | Again:
    """Ask all that are under way to stop, and wait for their clean-up."""
    engine.stop_all(task.children.all(), clock.now())
    if task.children.filter(state__in=Task.ACTIVE).exists():
        return Again({}, LOOK_SECONDS, message="Waiting for them to clean up")
    return {}


@engine.register
class BackupVolumes(Workflow):
    """Start a backup for each, wait for all; one that fails never stops the others."""

    kind = services.KIND
    steps: ClassVar[tuple[Step, ...]] = (
        Step("start", "Start the backups", nothing, save=_start_portion),
        Step("await", "Wait for the backups", nothing, save=look_at_children, weight=20),
    )
    cleanup: ClassVar[tuple[Step, ...]] = (
        Step("stop", "Stop the backups under way", nothing, save=stop_children),
    )
    # Ten thousand volumes wait for places at their cloud; each has a deadline of its own.
    deadline = timedelta(days=7)

    def done(self, task: Task) -> None:
        memory = task.memory
        done, failed = memory["done"], memory["failed"]
        skipped = services.skipped_of(task)
        is_well = not failed and not skipped
        title = f"{task}: {done:,} done"
        title += f", {failed:,} failed" if failed else ""
        title += f", {skipped:,} skipped" if skipped else ""
        level = Level.INFO if is_well else Level.WARNING
        if failed and not done:
            level = Level.ERROR
        tell(_account(task), level, title, _what_to_do(task), kind=Kind.BACKUP, task=task)

    def failed(self, task: Task) -> None:
        level, what = Level.ERROR, "failed"
        if task.state == Task.State.CANCELED:
            level, what = Level.INFO, "cancelled"
        body = f"{task.error} {task.advice}"
        tell(_account(task), level, f"{task} {what}", body, kind=Kind.BACKUP, task=task)

    def retry(self, task: Task, actor: Actor) -> Task | None:
        return services.retry_failed(actor, task)


def _account(task: Task) -> Account:
    if task.account is None:
        raise ValueError(f"task {task.pk} of volumes has no account")
    return task.account


def _what_to_do(task: Task) -> str:
    """Name the first that failed, and why others were left out."""
    said = []
    failed = task.children.filter(state=Task.State.FAILED).order_by("title")
    if names := [f"{each.title}: {each.error}" for each in failed[:NAMES]]:
        said += [*names, "Open the task to see them all, and retry those that failed."]
    reasons = {
        "busy": "busy with another task",
        "full": "at their number of manual backups",
        "missing": "no longer at the cloud",
    }
    for reason, words in reasons.items():
        if count := task.memory.get(reason, 0):
            said.append(f"{count:,} skipped: {words}.")
    return " ".join(said)
