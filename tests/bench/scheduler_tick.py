"""The scheduler's tick with 100,000 policies: what is due is started fast, nothing due is free."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

from django.db import connection

from backups import scheduler
from backups.models import Backup, BackupPolicy
from portal.models import Account, CloudAccount, Customer, Organization, Resource, Task
from tests.bench.figure import Figure

POLICIES = 100_000
DUE = 10_000
IDLE_RUNS = 30
# performance.md: rows claimed and turned into tasks each second; milliseconds of an idle tick.
RATES = {"postgresql": 10_000, "sqlite": 5_000}
IDLE_MS = 5
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def measure(rounds: int) -> Iterator[Figure]:
    _fill(rounds)
    idle = tuple(1000 * _idle() for _ in range(rounds))
    yield Figure("idle tick, 100,000 policies, ms", idle, IDLE_MS)
    rates = tuple(DUE / _timed_round(NOON + timedelta(days=n)) for n in range(rounds))
    name = "runs started a second, 10,000 due of 100,000"
    yield Figure(name, rates, RATES[connection.vendor], "at least")
    for model in (Backup, Task, BackupPolicy, Resource, Account, CloudAccount):
        model.objects.all().delete()


def _idle() -> float:
    return statistics.median(_timed(NOON - timedelta(hours=1)) for _ in range(IDLE_RUNS))


def _timed(now: datetime) -> float:
    started_at = time.perf_counter()
    scheduler.start_due(now)
    return time.perf_counter() - started_at


def _timed_round(now: datetime) -> float:
    seconds = _timed(now)
    if Task.objects.count() != DUE or Backup.objects.count() != DUE:
        raise AssertionError("not every run was started, or one twice")
    Backup.objects.all()._raw_delete(Backup.objects.db)
    Task.objects.all()._raw_delete(Task.objects.db)
    _tidy()
    return seconds


def _tidy() -> None:
    """Do what autovacuum does in its time: the rounds before are not part of the measurement."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def _fill(rounds: int) -> None:
    """A hundred accounts; a tenth of their systems are due at noon, the rest much later."""
    customer = Customer.objects.create(name="Bench")
    organization = Organization.objects.create(customer=customer, name="Bench")
    cloud = CloudAccount.objects.create(
        customer=customer, name="Bench", kind="ahv", endpoint="https://bench.example", secrets={}
    )
    accounts = Account.objects.bulk_create(
        Account(organization=organization, name=f"Account {n}", cloud_account=cloud, site="site")
        for n in range(100)
    )
    resources = Resource.objects.bulk_create(
        (
            Resource(
                account=accounts[n % 100],
                cloud_account=cloud,
                kind=Resource.Kind.UTILITY_SERVER,
                external_id=f"vm-{n}",
                name=f"server-{n}",
            )
            for n in range(POLICIES)
        ),
        batch_size=1000,
    )
    BackupPolicy.objects.bulk_create(
        (_policy(n, resource, rounds) for n, resource in enumerate(resources)), batch_size=1000
    )
    _tidy()


def _policy(n: int, resource: Resource, rounds: int) -> BackupPolicy:
    at = NOON if n % (POLICIES // DUE) == 0 else NOON + timedelta(days=rounds)
    return BackupPolicy(
        resource=resource,
        is_scheduled=True,
        backup_time=time_of_day(at.hour),
        time_zone="UTC",
        starts_on=date(2026, 11, 1),
        next_run_at=at,
    )
