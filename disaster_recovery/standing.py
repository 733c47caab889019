"""How well an account could return from its second site: the facts of the page, by few queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from statistics import median
from typing import Any
from uuid import UUID

from django.db.models import (
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    Min,
    Q,
    QuerySet,
    Sum,
)

from backups.models import Replica
from backups.rates import SAMPLE, Pace, ReturnTime, pace_back, return_time_at
from disaster_recovery.configuration import CHECK, CONFIGURE
from disaster_recovery.figures import PROTECTED, SERVER_KINDS, Figures, figures_of
from disaster_recovery.models import ReadinessCheck, RecoverySettings
from portal.engine import clock
from portal.models import Account, Resource, Task
from portal.models.resources import NEVER
from portal.templatetags.ui import distance, duration

KINDS = (*SERVER_KINDS, *Resource.VOLUME_KINDS)
WORST = 10


@dataclass(frozen=True)
class KindStanding:
    """Resources of one kind. Ages are of the newest backup, or replica, that each has."""

    kind: str
    label: str
    target: timedelta
    now: datetime
    pace: Pace
    count: int = 0
    backed_up: int = 0
    replicated: int = 0
    overdue: int = 0
    late: int = 0
    failed: int = 0
    moving: int = 0
    behind: int = 0
    missing: int = 0
    missing_replicated: int = 0
    size_bytes: int = 0
    oldest_backup_at: datetime | None = None
    newest_backup_at: datetime | None = None
    oldest_replica_at: datetime | None = None
    newest_replica_at: datetime | None = None
    longest_lag: timedelta | None = None

    @property
    def without(self) -> int:
        """How many have no replica."""
        return self.count - self.replicated

    @property
    def backed_up_in_time(self) -> int:
        """How many have a good backup that is no older than the target."""
        return self.backed_up - self.overdue

    @property
    def backup_ages(self) -> tuple[datetime, ...]:
        """The newest and the oldest of the newest good backups; one where both read the same."""
        times = filter(None, (self.newest_backup_at, self.oldest_backup_at))
        return tuple({distance(at, self.now): at for at in times}.values())

    @property
    def replica_age(self) -> timedelta | None:
        """Age of what would be lost most: the oldest of the newest replicas."""
        return self.now - self.oldest_replica_at if self.oldest_replica_at else None

    @property
    def is_in_time(self) -> bool:
        return self.replica_age is None or self.replica_age <= self.target

    @property
    def return_time(self) -> str:
        """How long it takes to restore all of them from replicas, one after another."""
        return span_in_words(return_time_at(self.pace, self.size_bytes).replica)


@dataclass(frozen=True)
class UnderWay:
    """Replications that have not ended, the size of what they bring, and how late they come."""

    count: int
    started: int
    size_bytes: int
    median_delay: timedelta | None

    @property
    def waiting(self) -> int:
        return self.count - self.started


@dataclass(frozen=True)
class Glance:
    """What the one word rests on."""

    account: Account
    settings: RecoverySettings
    kinds: Sequence[KindStanding]
    checks: Sequence[ReadinessCheck]

    @property
    def target(self) -> timedelta:
        return target_of(self.settings)

    def _sum(self, name: str) -> int:
        return sum(getattr(kind, name) for kind in self.kinds)

    @cached_property
    def count(self) -> int:
        return self._sum("count")

    @cached_property
    def replicated(self) -> int:
        return self._sum("replicated")

    @cached_property
    def late(self) -> int:
        return self._sum("late")

    @cached_property
    def failed(self) -> int:
        return self._sum("failed")

    @cached_property
    def behind(self) -> int:
        """How many have a backup that is newer than their replica."""
        return self._sum("behind")

    @cached_property
    def missing(self) -> int:
        return self._sum("missing")

    @cached_property
    def missing_replicated(self) -> int:
        return self._sum("missing_replicated")

    @cached_property
    def backed_up_in_time(self) -> int:
        return self._sum("backed_up_in_time")

    @property
    def outside(self) -> int:
        """How many have no good backup that is as new as the target wants."""
        return self.count - self.backed_up_in_time

    @property
    def without(self) -> int:
        return self.count - self.replicated

    @property
    def longest_lag(self) -> timedelta | None:
        return max((kind.longest_lag for kind in self.kinds if kind.longest_lag), default=None)

    @property
    def newest_backup_at(self) -> datetime | None:
        times = (kind.newest_backup_at for kind in self.kinds if kind.newest_backup_at)
        return max(times, default=None)

    @property
    def oldest_age(self) -> timedelta | None:
        """Age of the oldest of the newest replicas: what would be lost most."""
        return max((kind.replica_age for kind in self.kinds if kind.replica_age), default=None)

    @property
    def failed_checks(self) -> list[ReadinessCheck]:
        return [check for check in self.checks if check.state == ReadinessCheck.State.FAILED]

    @property
    def has_nothing(self) -> bool:
        """Whether there is not one replica to return from, of what is lost neither."""
        return not self.replicated and not self.missing_replicated

    @property
    def is_ready(self) -> bool:
        return self.word == "Ready"

    @property
    def word(self) -> str:
        """The answer first: Ready, At risk or Not ready."""
        if not self.account.dr_enabled or self.failed_checks or self.has_nothing:
            return "Not ready"
        if self.without or self.late or self.failed or self.missing:
            return "At risk"
        return "Ready"

    @property
    def look(self) -> tuple[str, str]:
        """Tone and icon of the word."""
        return {"Ready": ("ok", "okcircle"), "At risk": ("warn", "alert")}.get(
            self.word, ("bad", "xcircle")
        )


@dataclass(frozen=True)
class Standing(Glance):
    """Everything the page says of one account."""

    figures: Figures
    under_way: UnderWay
    task: Task | None
    oldest: Sequence[Resource]

    @cached_property
    def _returns(self) -> ReturnTime:
        pace = pace_back(self.account, self.figures.rate)
        return return_time_at(pace, self._sum("size_bytes"))

    @property
    def return_time(self) -> tuple[timedelta, ...]:
        """From replicas, everything one after another: the least and the most."""
        return tuple(timedelta(minutes=each) for each in self._returns.replica)

    @property
    def return_reason(self) -> str:
        """What decides it: the measured rate, or the throttle in force (R117)."""
        return self._returns.reason

    @property
    def local_return_time(self) -> str:
        """The same from backups, while the primary site is there."""
        return span_in_words(self._returns.local)


def span_in_words(minutes: tuple[int, int]) -> str:
    """``40 min to 1 h 10 min``."""
    least, most = (duration(60 * each) for each in minutes)
    return least if least == most else f"{least} to {most}"


def target_of(settings: RecoverySettings) -> timedelta:
    """The age a replica may have at most."""
    return timedelta(hours=settings.target_rpo_hours)


def glance_of(account: Account) -> Glance:
    """What the word rests on, by three queries."""
    settings = RecoverySettings.of(account)
    kinds = kinds_of(account, target_of(settings), pace_back(account, None))
    return Glance(account, settings, kinds, list(_checks(account)))


def standing_of(account: Account) -> Standing:
    """All of it, by a fixed number of queries."""
    settings = RecoverySettings.of(account)
    figures = figures_of(account)
    return Standing(
        account=account,
        settings=settings,
        kinds=kinds_of(account, target_of(settings), pace_back(account, figures.rate)),
        checks=list(_checks(account)),
        figures=figures,
        under_way=_under_way(account),
        task=Task.objects.active().filter(account=account, kind__in=(CONFIGURE, CHECK)).first(),
        oldest=list(oldest_of(account)),
    )


def _checks(account: Account) -> QuerySet[ReadinessCheck]:
    return ReadinessCheck.objects.filter(account=account)


def kinds_of(account: Account, target: timedelta, pace: Pace) -> list[KindStanding]:
    """Each of the five kinds, by one query; those that the account has none of are zero."""
    now = clock.now()
    found = Resource.objects.filter(PROTECTED, account=account).order_by()
    rows = {row["kind"]: row for row in found.values("kind").annotate(**_counts(now - target))}
    standings = []
    for kind in KINDS:
        facts: dict[str, Any] = dict(rows.get(kind, {}), kind=str(kind.value))
        facts["size_bytes"] = facts.get("size_bytes") or 0
        standings.append(
            KindStanding(label=str(kind.label), target=target, now=now, pace=pace, **facts)
        )
    return standings


def _counts(since: datetime) -> dict[str, Count | Min | Max | Sum]:
    here = Q(is_missing=False)
    backed_up = here & Q(last_good_at__gt=NEVER)
    replicated = here & Q(last_replica_at__gt=NEVER)
    behind = replicated & Q(last_good_at__gt=F("last_replica_at"))
    lag = ExpressionWrapper(F("last_good_at") - F("last_replica_at"), DurationField())
    status = Replica.Status
    return {
        "count": Count("pk", filter=here),
        "backed_up": Count("pk", filter=backed_up),
        "overdue": Count("pk", filter=backed_up & Q(last_good_at__lt=since)),
        "replicated": Count("pk", filter=replicated),
        "late": Count("pk", filter=replicated & Q(last_replica_at__lt=since)),
        "failed": Count("pk", filter=here & Q(last_replication_status=status.FAILED)),
        "moving": Count("pk", filter=here & Q(last_replication_status=status.IN_PROGRESS)),
        "behind": Count("pk", filter=behind),
        "missing": Count("pk", filter=Q(is_missing=True)),
        "missing_replicated": Count("pk", filter=Q(is_missing=True, last_replica_at__gt=NEVER)),
        "size_bytes": Sum("size_bytes", filter=here),
        "oldest_backup_at": Min("last_good_at", filter=backed_up),
        "newest_backup_at": Max("last_good_at", filter=backed_up),
        "oldest_replica_at": Min("last_replica_at", filter=replicated),
        "newest_replica_at": Max("last_replica_at", filter=replicated),
        "longest_lag": Max(lag, filter=behind),
    }


def _under_way(account: Account) -> UnderWay:
    replicas = Replica.objects.filter(account=account)
    moving = replicas.filter(status=Replica.Status.IN_PROGRESS).aggregate(
        count=Count("pk"), started=Count("started_at"), size=Sum("backup__size_bytes")
    )
    latest = replicas.filter(status=Replica.Status.DONE).order_by("-completed_at")
    times = latest.values_list("completed_at", "backup__completed_at")[:SAMPLE]
    delays = [(there - made).total_seconds() for there, made in times if there and made]
    delay = timedelta(seconds=median(delays)) if delays else None
    return UnderWay(moving["count"], moving["started"], moving["size"] or 0, delay)


def oldest_of(account: Account) -> QuerySet[Resource]:
    """The ten with the oldest replica, those without any first."""
    found = Resource.objects.filter(PROTECTED, account=account, is_missing=False)
    return found.order_by("last_replica_at", "sort_name", "pk")[:WORST]


def failures_of(account: Account, count: int) -> dict[Resource, str]:
    """Some resources whose latest replication failed, each with what went wrong."""
    found = Resource.objects.filter(
        PROTECTED, account=account, is_missing=False, last_replication_status="failed"
    )
    rows = list(found.order_by("sort_name", "pk")[:count])
    backups = [row.last_backup_id for row in rows]
    failed = Replica.objects.filter(backup__in=backups, status=Replica.Status.FAILED)
    errors: dict[UUID | None, str] = dict(
        failed.order_by("created_at").values_list("backup", "error")
    )
    return {row: errors.get(row.last_backup_id, "") for row in rows}


def fingerprint(account: Account) -> str:
    """Changes whenever a replication begins or ends; each query reads one entry of an index."""
    status, replicas = Replica.Status, Replica.objects.filter(account=account)
    marks = [str(replicas.filter(status=status.IN_PROGRESS).count())]
    for ended in (status.DONE, status.FAILED):
        times = replicas.filter(status=ended).order_by("-completed_at")
        newest = times.values_list("completed_at", flat=True).first()
        marks.append(f"{newest:%Y%m%d%H%M%S%f}" if newest else "0")
    return "-".join(marks)
