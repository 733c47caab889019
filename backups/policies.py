"""What a person can do with settings: look at what a change would bring, and save it.

Of a system, or of all volumes of a kind; the rules of time are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count, F, QuerySet, Sum

from backups.models import Backup, BackupPolicy, Settings, VolumePolicy
from backups.retention import surplus
from backups.schedule import Schedule
from portal.audit import Actor, record
from portal.engine import clock
from portal.models import Account, AuditEntry, Resource
from portal.refusals import Refused

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Wanted:
    """What the settings should be; the time of day is meant in the IANA zone."""

    is_scheduled: bool
    backup_time: time
    time_zone: str
    keep_scheduled: int
    keep_manual: int
    keep_after_session: int = 3


@dataclass(frozen=True)
class Course:
    """When it would run, said before it is saved."""

    # The next three, in UTC; empty without a schedule.
    next_runs: tuple[datetime, ...]
    # Only where a running schedule gets another time, or got it today (R074).
    first_with_new_time: datetime | None


@dataclass(frozen=True)
class Preview(Course):
    """What saving the settings of a system would bring."""

    # What the next scheduled backup would remove, the oldest first.
    removed: list[Backup]
    # So many manual backups must be deleted before another can be created (R039).
    manual_over: int


@dataclass(frozen=True)
class VolumePreview(Course):
    """What saving the settings of a kind would bring, over all its volumes."""

    # So many scheduled backups the next run would remove.
    removed: int
    # So many volumes hold as many manual backups as they may, or more (R039).
    full: int


def present(policy: Settings) -> Wanted:
    """The settings as they are."""
    return Wanted(
        policy.is_scheduled,
        policy.backup_time,
        policy.time_zone,
        policy.keep_scheduled,
        policy.keep_manual,
        policy.keep_after_session,
    )


def course_of(policy: Settings, wanted: Wanted, now: datetime) -> Course:
    """Say when ``wanted`` would run. Writes nothing."""
    return Course(
        next_runs=tuple(islice(_runs(policy, wanted, now), 3)),
        first_with_new_time=_first_with_new_time(policy, wanted, now),
    )


def preview(policy: BackupPolicy, wanted: Wanted, now: datetime) -> Preview:
    """Say what ``wanted`` would bring. Writes nothing."""
    resource = policy.resource
    removed = surplus(resource, Backup.Type.SCHEDULED, wanted.keep_scheduled, coming=1)
    held = Backup.objects.filter(resource=resource).held_manually().count()
    return Preview(
        **vars(course_of(policy, wanted, now)),
        removed=removed if wanted.is_scheduled else [],
        manual_over=max(0, held - wanted.keep_manual + 1),
    )


def volume_preview(policy: VolumePolicy, wanted: Wanted, now: datetime) -> VolumePreview:
    """Say what ``wanted`` would bring to the volumes of the kind. Writes nothing."""
    backups = Backup.objects.filter(account=policy.account, kind=policy.kind).order_by()
    kept = backups.counted(Backup.Type.SCHEDULED).ready()
    held = backups.held_manually().values("resource").annotate(n=_ROWS)
    return VolumePreview(
        **vars(course_of(policy, wanted, now)),
        removed=_over(kept, wanted.keep_scheduled) if wanted.is_scheduled else 0,
        full=held.filter(n__gte=wanted.keep_manual).count(),
    )


def _over(kept: QuerySet[Backup], keep: int) -> int:
    """How many go when each volume has one more."""
    over = kept.values("resource").annotate(n=_ROWS).filter(n__gte=keep)
    return over.aggregate(total=Sum(F("n") + 1 - keep))["total"] or 0


# Rows, not their keys, which the index that counts a million does not have.
_ROWS = Count("*")


class ChangedMeanwhile(Refused):
    """The settings are no longer those the person was shown; nothing was written.

    ``shown`` is the digest of what they are now.
    """

    def __init__(self, message: str, *, shown: str) -> None:
        super().__init__(message)
        self.shown = shown


def digest(wanted: Wanted) -> str:
    """Return what a form carries to say which settings it was shown with."""
    return sha256(repr(wanted).encode()).hexdigest()[:16]


@transaction.atomic
def save_policy(
    actor: Actor, resource: Resource, wanted: Wanted, *, shown: str = ""
) -> BackupPolicy:
    """Write the settings of a system. Starts nothing by itself (R076).

    Raises ChangedMeanwhile where ``shown``, a digest, is not of what they are now.
    """
    # Two people saving at once take turns; so do a person and the scheduler.
    Resource.objects.select_for_update().get(pk=resource.pk)
    locked = BackupPolicy.objects.select_for_update(of=("self",)).filter(resource=resource).first()
    policy = locked or BackupPolicy.of(resource)
    _require_shown(policy, wanted, shown, resource, "backup_policy.edit")
    if before := _change(policy, wanted, is_new=locked is None):
        record(actor, "backup_policy.edit", resource, **before)
    return policy


@transaction.atomic
def save_volume_policy(
    actor: Actor, account: Account, kind: str, wanted: Wanted, *, shown: str = ""
) -> VolumePolicy:
    """Write the settings of all volumes of a kind. Starts nothing by itself (R076).

    Raises ChangedMeanwhile as `save_policy` does.
    """
    Account.objects.select_for_update().get(pk=account.pk)
    policies = VolumePolicy.objects.select_for_update(of=("self",))
    locked = policies.filter(account=account, kind=kind).first()
    policy = locked or VolumePolicy.of(account, kind)
    _require_shown(policy, wanted, shown, account, "volume_policy.edit", kind=kind)
    if before := _change(policy, wanted, is_new=locked is None):
        record(actor, "volume_policy.edit", account, kind=kind, **before)
    return policy


def _require_shown(
    policy: Settings, wanted: Wanted, shown: str, target: Account | Resource, action: str, **of: str
) -> None:
    """Raise ChangedMeanwhile, saying by whom, unless nothing is lost by saving."""
    now = present(policy)
    if not shown or shown == digest(now) or now == wanted:
        return
    trail = AuditEntry.objects.filter(
        target_type=target._meta.model_name, target_id=str(target.pk), action=action
    )
    last = trail.filter(**{f"detail__{key}": value for key, value in of.items()})
    entry = last.order_by("-at", "-pk").first()
    by = f" by {entry.actor_label}" if entry else ""
    raise ChangedMeanwhile(
        f"These settings were changed{by} while you had them open. Now: {_told(now)}. "
        "What you entered is below; Confirm saves it instead.",
        shown=digest(now),
    )


def _told(wanted: Wanted) -> str:
    """The settings in a line."""
    schedule = "no schedule"
    if wanted.is_scheduled:
        schedule = f"daily at {wanted.backup_time:%H:%M} {wanted.time_zone}"
    kept = (wanted.keep_scheduled, wanted.keep_manual, wanted.keep_after_session)
    return f"{schedule}; kept {kept[0]} scheduled, {kept[1]} manual, {kept[2]} post-session"


def _change(policy: Settings, wanted: Wanted, *, is_new: bool) -> dict[str, Any]:
    """Write what is wanted; return before and after for the audit trail, or nothing."""
    before = None if is_new else present(policy)
    if before == wanted:
        return {}
    policy.starts_on, policy.next_run_at = _course(policy, wanted, clock.now())
    for name, value in asdict(wanted).items():
        setattr(policy, name, value)
    policy.full_clean(exclude=["resource", "account"])
    policy.save()
    return {"before": _plain(before), "after": _plain(wanted)}


def _plain(wanted: Wanted | None) -> dict[str, Any] | None:
    """As the audit trail keeps it."""
    if wanted is None:
        return None
    return asdict(wanted) | {"backup_time": f"{wanted.backup_time:%H:%M}"}


def _keeps_time(policy: Settings, wanted: Wanted) -> bool:
    """Whether a schedule that runs goes on as it is."""
    return policy.is_scheduled and (policy.backup_time, policy.time_zone) == (
        wanted.backup_time,
        wanted.time_zone,
    )


def _pending(policy: Settings, now: datetime) -> datetime | None:
    """The run that stays as it was after a change: one of today, or one overdue (R074)."""
    run, zone = policy.next_run_at, ZoneInfo(policy.time_zone)
    if not policy.is_scheduled or run is None:
        return None
    is_of_today = run.astimezone(zone).date() <= now.astimezone(zone).date()
    return run if is_of_today else None


def _course(policy: Settings, wanted: Wanted, now: datetime) -> tuple[date, datetime | None]:
    """Return from which local date the time holds, and the next run, if there is any."""
    today = now.astimezone(ZoneInfo(wanted.time_zone)).date()
    if not wanted.is_scheduled:
        return today, None
    if _keeps_time(policy, wanted):
        return policy.starts_on or today, policy.next_run_at
    if not policy.is_scheduled:
        return today, _schedule(policy, wanted, today).after(now)
    starts_on, pending = today + _DAY, _pending(policy, now)
    if pending:
        of_pending = pending.astimezone(ZoneInfo(wanted.time_zone)).date()
        starts_on = max(starts_on, of_pending + _DAY)
    return starts_on, pending or _schedule(policy, wanted, starts_on).after(now)


def _runs(policy: Settings, wanted: Wanted, now: datetime) -> Iterator[datetime]:
    """Yield the runs to come."""
    starts_on, run = _course(policy, wanted, now)
    if run is None:
        return
    yield run
    yield from _schedule(policy, wanted, starts_on).runs_after(run)


def _first_with_new_time(policy: Settings, wanted: Wanted, now: datetime) -> datetime | None:
    if not (policy.is_scheduled and wanted.is_scheduled):
        return None
    starts_on, _ = _course(policy, wanted, now)
    # Only a change puts it off to another day, and it is said until that day.
    holds_already = starts_on <= now.astimezone(ZoneInfo(wanted.time_zone)).date()
    if _keeps_time(policy, wanted) and holds_already:
        return None
    return _schedule(policy, wanted, starts_on).after(_pending(policy, now) or now)


def _schedule(policy: Settings, wanted: Wanted, starts_on: date) -> Schedule:
    return Schedule(wanted.backup_time, wanted.time_zone, starts_on, policy.interval_days)
