"""How many machines there are and how they stand, every quarter of an hour (R151).

Machines of the account's own are counted in the inventory; of pools the session broker tells
(`reporting.api.capacity`). Who is in session is known by the sessions that it reports.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from portal.clouds.api import PowerState
from portal.engine import clock
from portal.engine.ticks import every_minute
from portal.models import Account, Infrastructure, Resource
from portal.refusals import Refused
from reporting.figures.periods import quarter_of
from reporting.models import DataType, ElasticitySample, Session
from reporting.records.periods import cutoff_of

Kind = Resource.Kind
# What persistent machines are called in the place of a pool's name.
POOLS = {
    Kind.SANDBOX: "Sandbox",
    Kind.UTILITY_SERVER: "Utility Servers",
    Kind.PERSISTENT_DESKTOP: "Persistent Desktops",
}
# An inventory that is older says nothing of this moment.
FRESH = timedelta(hours=1)
# Clocks differ; what lies further ahead is a mistake.
AHEAD = timedelta(minutes=10)
_SIZE = ("vm_size", "vcpus", "memory_mb")
_TOLD = (
    "min_servers", "buffer_servers", "max_servers", "running", "starting", "stopped",
    "waiting_users",
)  # fmt: skip
ROWS_AT_ONCE = 500


@every_minute
def sample_machines() -> None:
    """Count the machines of every account once in each quarter of an hour."""
    now = clock.now()
    at = quarter_of(now)
    counted = ElasticitySample.objects.filter(
        account=OuterRef("pk"), at=at, pool__in=POOLS.values()
    )
    fresh = Resource.objects.filter(
        kind__in=POOLS, is_missing=False, cloud_account__synced_at__gte=now - FRESH
    )
    there = fresh.filter(account=OuterRef("pk"))
    accounts = Account.objects.living().filter(Exists(there), ~Exists(counted))
    due = list(accounts.values_list("pk", flat=True))
    if not due:
        return
    rows = [_sample(at, **each) for each in _counts(fresh.filter(account__in=due))]
    ElasticitySample.objects.bulk_create(rows, ignore_conflicts=True, batch_size=ROWS_AT_ONCE)


def _counts(machines: QuerySet[Resource]) -> QuerySet[Any, Any]:
    """Machines of an account that are of one kind and size: how many of them stand how."""
    live = Session.objects.filter(resource=OuterRef("pk"), ended_at=None)
    is_on = Q(power_state=PowerState.ON)
    counts: QuerySet[Any, Any] = (
        machines.annotate(is_used=Exists(live))
        .order_by()
        .values("account", "account__infrastructure", "kind", *_SIZE)
        .annotate(
            running=Count("pk", filter=is_on),
            stopped=Count("pk", filter=~is_on),
            in_session=Count("pk", filter=Q(is_used=True)),
            available=Count("pk", filter=is_on & Q(is_used=False)),
        )
    )
    return counts


def _sample(at: datetime, **counts: Any) -> ElasticitySample:
    size = {name: counts.pop(name) for name in _SIZE}
    infrastructure = counts.pop("account__infrastructure")
    return ElasticitySample(
        at=at,
        account_id=counts.pop("account"),
        pool=POOLS[counts.pop("kind")],
        instance_type=type_of(infrastructure, **size),
        **counts,
    )


def type_of(infrastructure: str, vm_size: str, vcpus: int, memory_mb: int) -> str:
    """The size of a machine as lists show it."""
    account = Account(infrastructure=infrastructure or Infrastructure.AHV)
    return Resource(
        account=account, vm_size=vm_size, vcpus=vcpus, memory_mb=memory_mb
    ).instance_type[:100]


# Pools, as the broker tells


@dataclass(frozen=True)
class Pool:
    """How a pool stands. ``counts``: what the broker tells, by column."""

    pool: str
    instance_type: str
    counts: Mapping[str, int | None]


def take_in(account: Account, at: datetime, pools: Sequence[Pool]) -> datetime:
    """Keep how an account's pools stood; return the quarter of an hour that it is kept for.

    What was told for that quarter before is replaced. Raises Refused for a time that is too
    long ago, or ahead, and for a pool that is there twice.
    """
    now = clock.now()
    if at > now + AHEAD:
        raise Refused("at lies in the future.", field="at")
    cutoff = cutoff_of(now, DataType.ELASTICITY)
    if cutoff and at < cutoff:
        said = f"at is too long ago: samples are kept from {cutoff:%Y-%m-%d %H:%M} UTC on."
        raise Refused(said, field="at")
    if len({(each.pool, each.instance_type) for each in pools}) < len(pools):
        raise Refused("A pool and instance type is there twice.", field="pools")
    quarter, users = quarter_of(at), _in_session(account, at)
    rows = [_row(account.pk, quarter, each, users) for each in pools]
    ElasticitySample.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["account", "at", "pool", "instance_type"],
        update_fields=[*_TOLD, "in_session", "available"],
        batch_size=ROWS_AT_ONCE,
    )
    return quarter


def _row(
    account: UUID, at: datetime, told: Pool, users: Mapping[tuple[str, str], int]
) -> ElasticitySample:
    in_session = users[told.pool, told.instance_type]
    running = told.counts["running"] or 0
    return ElasticitySample(
        account_id=account,
        at=at,
        pool=told.pool,
        instance_type=told.instance_type,
        in_session=in_session,
        available=max(0, running - in_session),
        **{name: told.counts[name] for name in _TOLD},
    )


def _in_session(account: Account, at: datetime) -> Mapping[tuple[str, str], int]:
    """How many sessions were live then, by pool and instance type as sessions tell them."""
    live = Session.objects.filter(
        Q(ended_at=None) | Q(ended_at__gt=at), account=account, started_at__lte=at
    )
    found: dict[tuple[str, str], int] = defaultdict(int)
    for pool, type_, count in (
        live.order_by().values_list("pool", "instance_type").annotate(Count("pk"))
    ):
        found[pool, type_] = count
    return found
