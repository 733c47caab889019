"""What is counted when: once an hour, the days and months of an account that sessions changed in.

A task of its own for each account, in portions of some days or one month. It is in no list of
an account's tasks: nobody asked for it, and there are many. Killed anywhere, it goes on with
the portion it stood at; the next one begins where the last that ended well began.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet

from portal import engine
from portal.engine import clock
from portal.engine.ticks import every_minute
from portal.engine.workflow import Again, Learned, Step, Workflow, nothing
from portal.models import Account, Notification, Task
from portal.notify import Kind, Level, tell
from reporting.figures.counting import Look, count_days, count_month, forget_across, oldest_of
from reporting.figures.periods import DAY, first_of_day, hour_of, runs_of
from reporting.models import Counted, Session, SessionEvent

KIND = "count_sessions"
# A report that was written down then may not have been committed then.
SLACK = timedelta(minutes=5)
DAYS_A_PORTION = 2
KEPT = timedelta(days=2)
TROUBLE = "Figures of sessions could not be computed"


# When


@every_minute
def count_due() -> None:
    """Start counting, once in each hour, for each account that has something to count."""
    now = clock.now()
    _note_new()
    for pk in list(due(now).values_list("pk", flat=True)):
        _begin(pk, now)


def due(now: datetime) -> QuerySet[Counted]:
    """Accounts not counted in this hour of which a session changed, or is live."""
    of_account = Session.objects.filter(account=OuterRef("account"))
    changed = of_account.filter(changed_at__gte=OuterRef("sessions_until"))
    waiting = Counted.objects.filter(Q(begun_at=None) | Q(begun_at__lt=hour_of(now)))
    return waiting.filter(
        Q(sessions_until=None)
        | ~Q(time_zone=F("account__time_zone"))
        | Exists(changed)
        | Exists(of_account.filter(ended_at=None))
    )


def _note_new() -> None:
    """Begin to count accounts that have their first session."""
    there = Counted.objects.filter(account=OuterRef("pk"))
    sessions = Session.objects.filter(account=OuterRef("pk"))
    new = Account.objects.living().filter(~Exists(there), Exists(sessions))
    Counted.objects.bulk_create([Counted(account=each) for each in new], ignore_conflicts=True)


@transaction.atomic
def _begin(pk: UUID, now: datetime) -> None:
    """Of two workers' ticks one starts the task."""
    waiting = Counted.objects.filter(Q(begun_at=None) | Q(begun_at__lt=hour_of(now)), pk=pk)
    if waiting.update(begun_at=now):
        account = Account.objects.get(pk=pk)
        engine.start(KIND, title="Count sessions", subject=account.name, args={"account": str(pk)})


# What


@dataclass(frozen=True)
class Plan:
    """Days and first days of months whose figures are to be replaced."""

    days: list[date]
    months: list[date]


def plan_of(counted: Counted, now: datetime) -> Plan:
    """Find out what has changed since the last time. Nothing is too old to be computed again."""
    zone, oldest = counted.account.zone, oldest_of(counted, now)
    days = {day for since, until in _changes(counted, now) for day in _days_of(since, until, zone)}
    months = {day.replace(day=1) for day in days}
    if oldest:
        days = {day for day in days if first_of_day(day, zone) >= oldest}
        months = {month for month in months if first_of_day(month, zone) >= oldest}
    return Plan(sorted(days), sorted(months))


def _changes(counted: Counted, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Spans of time in which figures are no longer right.

    A session that changed may have been counted otherwise than it is now: from the first of its
    events, which a later report may have moved its start away from, until whenever it was last
    counted as live. So from there on all is counted again. Of one that is live and did not
    change, the time since the last count is, and the day it began, where its length belongs.
    """
    sessions = Session.objects.filter(account=counted.account_id)
    before = counted.sessions_until if counted.time_zone == counted.account.time_zone else None
    changed = sessions.filter(changed_at__gte=before) if before else sessions
    told = changed.aggregate(first=Min("started_at"), last=Max("started_at"))
    if told["first"]:
        events = SessionEvent.objects.filter(session__in=changed)
        first = events.aggregate(at=Min("occurred_at"))["at"] or told["first"]
        yield min(first, told["first"]), max(now, told["last"])
    live = sessions.filter(ended_at=None)
    if before and live.exists():
        yield before, now
        for started in live.values_list("started_at", flat=True).iterator(chunk_size=2000):
            yield started, started


def _days_of(since: datetime, until: datetime, zone: ZoneInfo) -> Iterator[date]:
    return _run(since.astimezone(zone).date(), until.astimezone(zone).date())


def _run(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += DAY


# The task


def _counted(task: Task) -> Counted | None:
    """Locked, so that two tasks never replace the same rows at once. None: the account is gone."""
    rows = Counted.objects.select_for_update(of=("self",)).select_related("account")
    return rows.filter(pk=task.args["account"]).first()


def _look_for_changes(task: Task, learned: Learned) -> Learned:
    counted = _counted(task)
    if counted is None:
        return {"spans": [], "months": []}
    now = clock.now()
    plan, zone = plan_of(counted, now), counted.account.zone
    if counted.time_zone and counted.time_zone != zone.key and plan.days:
        month = first_of_day(plan.months[0], zone) if plan.months else None
        forget_across(counted.account, first_of_day(plan.days[0], zone), month)
    return {
        "until": (now - SLACK).isoformat(),
        "zone": zone.key,
        "spans": [[f"{a}", f"{b}"] for a, b in runs_of(plan.days, DAYS_A_PORTION)],
        "months": [f"{month}" for month in plan.months],
    }


def _look(task: Task, counted: Counted) -> Look:
    now = clock.now()
    zone = ZoneInfo(task.memory["zone"])
    return Look(counted.account, zone, now, oldest_of(counted, now))


def _count_days(task: Task, learned: Learned) -> Learned | Again:
    """One portion: some days without a gap."""
    spans, done = task.memory["spans"], task.memory.get("spans_done", 0)
    counted = _counted(task)
    if counted and done < len(spans):
        first, last = map(date.fromisoformat, spans[done])
        look = _look(task, counted)
        # What was not too old when it was planned may be by now.
        if not look.oldest or first_of_day(first, look.zone) >= look.oldest:
            count_days(look, first, last)
        return _again("spans_done", done + 1, len(spans))
    return {}


def _count_months(task: Task, learned: Learned) -> Learned | Again:
    months, done = task.memory["months"], task.memory.get("months_done", 0)
    counted = _counted(task)
    if counted and done < len(months):
        first, look = date.fromisoformat(months[done]), _look(task, counted)
        if not look.oldest or first_of_day(first, look.zone) >= look.oldest:
            count_month(look, first)
        return _again("months_done", done + 1, len(months))
    return {}


def _again(name: str, done: int, total: int) -> Again:
    return Again({name: done}, percent=100 * done // total, message=f"{done} of {total}")


def _note(task: Task, learned: Learned) -> Learned:
    """From here on the next one goes on; what ended later was counted by another meanwhile."""
    counted = _counted(task)
    if counted and "until" in task.memory:
        until = datetime.fromisoformat(task.memory["until"])
        counted.sessions_until = max(until, counted.sessions_until or until)
        counted.time_zone = task.memory["zone"]
        counted.purged_until = oldest_of(counted, clock.now())
        counted.save(update_fields=["sessions_until", "time_zone", "purged_until"])
    return {}


def _has_days(args: Learned, memory: Learned) -> bool:
    return bool(memory["spans"])


def _has_months(args: Learned, memory: Learned) -> bool:
    return bool(memory["months"])


@engine.register
class CountSessions(Workflow):
    """Compute the figures of all that sessions have changed in."""

    kind = KIND
    steps: ClassVar[tuple[Step, ...]] = (
        Step("look", "Look for changes", nothing, save=_look_for_changes, is_local=True),
        Step("days", "Count days", nothing, save=_count_days, when=_has_days, weight=6,
             is_local=True),
        Step("months", "Count months", nothing, save=_count_months, when=_has_months, weight=3,
             is_local=True),
        Step("note", "Note what is counted", nothing, save=_note, is_local=True),
    )  # fmt: skip
    deadline = timedelta(hours=12)

    def done(self, task: Task) -> None:
        """Forget old ones: they say nothing that a page shows."""
        old = Task.objects.filter(account=None, parent=None, created_at__lt=clock.now() - KEPT)
        old.filter(kind=KIND).exclude(state__in=Task.ACTIVE).delete()

    def failed(self, task: Task) -> None:
        """Tell it once a day, however often it is tried."""
        told = Notification.objects.filter(title=TROUBLE, created_at__gt=clock.now() - DAY)
        account = Account.objects.filter(pk=task.args["account"]).first()
        if account and not told.filter(account=account).exists():
            body = f"{task.error} It is tried again in the next hour."
            tell(account, Level.ERROR, TROUBLE, body, kind=Kind.SESSION, task=task)
