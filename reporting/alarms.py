"""The alarm when a schedule did not run at all: told once for each run, and so sent as an alert.

Two ways to notice. A run that is due and was not begun: no worker was there, or the scheduler
fails. The first minute of a worker that is back looks before the scheduler makes up for it. And
a run that was settled and left no backup behind, neither made nor failed nor missed. A busy
system is neither: its run waits, and is told as missed when it has waited for too long. While no
worker runs at all nobody can tell: then /readyz says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from backups.models import Backup, BackupPolicy, VolumePolicy
from backups.scheduler import LATE_AT_MOST, NAMES
from portal.engine import clock
from portal.engine.ticks import every_minute_first
from portal.models import Account, Resource, Task
from portal.notify import Kind, Level, tell
from portal.templatetags.ui import duration
from reporting.models import OverdueRun
from volumes.selection import Selection
from volumes.services import KIND as BULK_BACKUP

# A run that was settled longer ago is not looked at any more.
LOOK_BACK = timedelta(hours=3)
# A system that was busy until now: the scheduler, which comes next, begins its run.
JUST_FREE = timedelta(minutes=5)


class Run(NamedTuple):
    """One run of one policy that did not happen; in this order they are told together."""

    account: UUID
    due_at: datetime
    zone: str
    name: str
    policy: UUID


# Given what, when it was due and how late it is, says title and text.
Words = Callable[[str, str, str], tuple[str, str]]


@every_minute_first
def look() -> None:
    """Tell of runs that did not happen. Safe to call at any time, from any number of processes."""
    look_at(clock.now())


def look_at(now: datetime) -> None:
    """Tell each account of the runs that did not happen by ``now``, each once."""
    limit = timedelta(minutes=settings.SCHEDULE_ALARM_MINUTES)
    _tell_once(overdue(now, limit), now, _overdue_words)
    _tell_once(without_backup(now, limit), now, _lost_words)


def overdue(now: datetime, limit: timedelta) -> Iterator[Run]:
    """Runs that are due for longer than ``limit`` and have not begun.

    After six hours the scheduler marks them as missed, and tells that itself.
    """
    due = {"next_run_at__lt": now - limit, "next_run_at__gte": now - LATE_AT_MOST}
    told = OverdueRun.objects.filter(policy=OuterRef("pk"), due_at=OuterRef("next_run_at"))
    busy = Task.objects.filter(
        Q(state__in=Task.ACTIVE) | Q(ended_at__gte=now - JUST_FREE),
        resource=OuterRef("resource"),
        is_exclusive=True,
    )
    servers = BackupPolicy.objects.filter(~Exists(told), ~Exists(busy), **due)
    yield from _of_servers(servers, "next_run_at")
    for policy in VolumePolicy.objects.filter(~Exists(told), **due):
        yield _of_kind(policy, policy.next_run_at)


def without_backup(now: datetime, limit: timedelta) -> Iterator[Run]:
    """Runs that were settled longer than ``limit`` ago, of which there is no backup at all."""
    settled = {
        "is_scheduled": True,
        "last_run_at__lt": now - limit,
        "last_run_at__gte": now - LOOK_BACK - limit,
    }
    told = OverdueRun.objects.filter(policy=OuterRef("pk"), due_at=OuterRef("last_run_at"))
    made = Backup.objects.filter(resource=OuterRef("resource"), due_at=OuterRef("last_run_at"))
    servers = BackupPolicy.objects.filter(~Exists(made), ~Exists(told), **settled)
    yield from _of_servers(servers, "last_run_at")
    of_kind = Backup.objects.filter(
        account=OuterRef("account"),
        kind=OuterRef("kind"),
        is_listed__in=[True, False],  # so that an index serves
        created_at__gte=OuterRef("last_run_at"),
        due_at=OuterRef("last_run_at"),
    )
    kinds = VolumePolicy.objects.filter(~Exists(of_kind), ~Exists(told), **settled)
    for policy in kinds.select_related("account"):
        if not _has_said(policy):
            yield _of_kind(policy, policy.last_run_at)


def _has_said(policy: VolumePolicy) -> bool:
    """Whether there was nothing to back up, or the run's task tells itself how it went."""
    volumes = Selection(kinds=(policy.kind,)).rows(policy.account)
    if policy.last_run_at is None or not volumes.exists():
        return True
    tasks = Task.objects.filter(
        account=policy.account,
        kind=BULK_BACKUP,
        parent=None,
        created_at__gte=policy.last_run_at,
        args__due_at=policy.last_run_at.isoformat(),
        args__selection__kinds__0=policy.kind,
    )
    return tasks.exists()


def _of_servers(policies: QuerySet[BackupPolicy], when: str) -> Iterator[Run]:
    for row in policies.values_list("resource__account", when, "time_zone", "resource__name", "pk"):
        yield Run(*row)


def _of_kind(policy: VolumePolicy, due_at: datetime | None) -> Run:
    if due_at is None:
        raise ValueError(f"policy {policy.pk} has no such run")
    name = f"all {Resource.Kind(policy.kind).label}s"
    return Run(policy.account_id, due_at, policy.time_zone, name, policy.pk)


def _tell_once(runs: Iterable[Run], now: datetime, words: Words) -> None:
    """Tell each account in one notification of what was due together and is not told yet."""
    for (pk, due_at, zone), group in groupby(sorted(runs), key=lambda run: run[:3]):
        with transaction.atomic():
            names = [run.name for run in group if _is_first(run, now)]
            if names:
                local = due_at.astimezone(ZoneInfo(zone))
                due = f"{local.day} {local:%b %Y, %H:%M} {zone}"
                title, body = words(_title_of(names), due, duration(now - due_at))
                body = f"{_listed(names)} {body}".strip()
                account = Account.objects.get(pk=pk)
                tell(account, Level.ERROR, title, body, kind=Kind.SCHEDULE)


def _is_first(run: Run, now: datetime) -> bool:
    """Whether nobody has told of this run; from now on somebody has."""
    return OverdueRun.objects.get_or_create(
        policy=run.policy, due_at=run.due_at, defaults={"created_at": now}
    )[1]


def _title_of(names: list[str]) -> str:
    if len(names) == 1:
        return f"The scheduled backup of {names[0]}"
    return f"The scheduled backups of {len(names)} systems"


def _listed(names: list[str]) -> str:
    if len(names) == 1:
        return ""
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return f"{', '.join(names[:NAMES])}{more}."


def _overdue_words(what: str, due: str, late: str) -> tuple[str, str]:
    return (
        f"{what} did not run",
        f"Due at {due}, not begun {late} later: no worker was running, or the scheduler fails. It "
        "begins when that is mended, up to six hours late. The portal's staff see in /readyz, and "
        "by manage.py doctor, what is wrong.",
    )


def _lost_words(what: str, due: str, late: str) -> tuple[str, str]:
    return (
        f"{what} left no backup",
        f"The run of {due} was begun and left no backup, not even a failed one. Create a backup "
        "now if one is needed before the next run, and report this to the portal's staff.",
    )
