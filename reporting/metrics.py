"""What /metrics shows of the deployment: a fixed number of queries, none over what has ended.

Kinds and states are the only labels, so their number does not grow with customers. Backups are
judged by the facts on the resource's row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, Q
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from backups.models import BackupPolicy, VolumePolicy
from disaster_recovery.figures import PROTECTED
from portal.engine import clock
from portal.models import CloudAccount, Heartbeat, Infrastructure, Resource, Task
from portal.models.resources import NEVER
from reporting.models import AlertDelivery, AlertItem

State, Delivery = Task.State, AlertDelivery.State
ENDED = (State.DONE, State.FAILED, State.CANCELED)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def exposition() -> bytes:
    """All metrics, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(Figures())
    if settings.METRICS_DIR.is_dir():
        MultiProcessCollector(registry, str(settings.METRICS_DIR))  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _gauge(name: str, text: str, values: Mapping[Any, float], *labels: str) -> Any:
    family = GaugeMetricFamily(f"standby_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


class Figures(Collector):
    """Reads the database when it is scraped."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        now = clock.now()
        yield from _resources(now)
        yield from _tasks(now)
        yield from _work(now)
        yield from _alerts(now)


def _resources(now: datetime) -> Iterator[GaugeMetricFamily]:
    """Of the five kinds: how old their last good backup and replica are, and what has none."""
    replicated = Q(account__dr_enabled=True)
    found: dict[str, dict[str, Any]] = {
        row["kind"]: dict(row)
        for row in Resource.objects.filter(PROTECTED, is_missing=False)
        .values("kind")
        .annotate(
            number=Count("pk"),
            without=Count("pk", filter=Q(last_good_at=NEVER)),
            newest=Max("last_good_at", filter=Q(last_good_at__gt=NEVER)),
            oldest=Min("last_good_at", filter=Q(last_good_at__gt=NEVER)),
            replicated=Count("pk", filter=replicated),
            unreplicated=Count("pk", filter=replicated & Q(last_replica_at=NEVER)),
            newest_replica=Max("last_replica_at", filter=replicated & Q(last_replica_at__gt=NEVER)),
            oldest_replica=Min("last_replica_at", filter=replicated & Q(last_replica_at__gt=NEVER)),
        )
    }
    for name, column, text in (
        ("resources", "number", "Resources that can be backed up."),
        ("resources_without_good_backup", "without", "Resources without a good backup."),
        ("resources_to_replicate", "replicated", "Resources of accounts with disaster recovery."),
        ("resources_without_replica", "unreplicated", "Those without a complete replica."),
    ):
        numbers = {(kind,): found.get(kind, {}).get(column, 0) for kind in Resource.Kind.values}
        yield _gauge(name, text, numbers, "kind")
    for name, suffix, text in (
        ("good_backup_age_seconds", "", "Age of the last good backup of a resource"),
        ("replica_age_seconds", "_replica", "Age of the newest backup with a replica"),
    ):
        ages = {
            (kind, of): (now - row[f"{of}{suffix}"]).total_seconds()
            for kind, row in found.items()
            for of in ("newest", "oldest")
            if row[f"{of}{suffix}"]
        }
        yield _gauge(name, f"{text}: of the newest, and of the oldest.", ages, "kind", "of")


def _tasks(now: datetime) -> Iterator[GaugeMetricFamily]:
    """Tasks by state. Of those that have ended the last hour's: nobody counts years of them."""
    active = Task.objects.active()
    yield _gauge("tasks", "Tasks that have not ended.", _by_state(active, Task.ACTIVE), "state")
    # By an index on state and wake: a task ends soon after it was woken last.
    ended = Task.objects.filter(
        state__in=ENDED, next_wake_at__gte=now - 3 * HOUR, ended_at__gte=now - HOUR
    )
    text = "Tasks that ended within the last hour."
    yield _gauge("tasks_ended_last_hour", text, _by_state(ended, ENDED), "state")


def _by_state(tasks: Any, states: Iterable[str]) -> dict[tuple[str, ...], float]:
    counted = dict(tasks.values_list("state").annotate(n=Count("pk")).order_by())
    return {(str(state),): counted.get(state, 0) for state in states}


def _work(now: datetime) -> Iterator[GaugeMetricFamily]:
    """Whether workers keep up, and the clouds answer."""
    due = Task.objects.filter(
        Q(lease_until=None) | Q(lease_until__lt=now),
        Q(cloud_account=None)
        | Q(cloud_account__busy_until=None)
        | Q(cloud_account__busy_until__lt=now),
        state__in=Task.STARTED, next_wake_at__lte=now,
    ).aggregate(at=Min("next_wake_at"))["at"]  # fmt: skip
    queued = Task.objects.filter(state=State.QUEUED).aggregate(at=Min("created_at"))["at"]
    beat = Heartbeat.objects.aggregate(at=Max("at"))["at"]
    for name, at, text in (
        ("task_due_age_seconds", due, "How long the oldest due task has waited for a worker."),
        ("task_queue_age_seconds", queued, "How long the oldest queued task waits for a place."),
    ):
        yield _gauge(name, text, {(): (now - at).total_seconds() if at else 0})
    if beat:
        age = (now - beat).total_seconds()
        yield _gauge("worker_heartbeat_age_seconds", "Last sign of life of a worker.", {(): age})
    limit = now - timedelta(minutes=settings.SCHEDULE_ALARM_MINUTES)
    overdue = sum(
        policies.objects.filter(next_run_at__lt=limit).count()
        for policies in (BackupPolicy, VolumePolicy)
    )
    yield _gauge("schedules_overdue", "Schedules whose run has not begun.", {(): overdue})
    counted = {
        (kind, health): number
        for kind, health, number in CloudAccount.objects.values_list("kind", "health")
        .annotate(n=Count("pk"))
        .order_by()
    }
    health = {
        (kind, state): counted.get((kind, state), 0)
        for kind in Infrastructure.values
        for state in CloudAccount.Health.values
    }
    text = "Cloud accounts by how they answered last."
    yield _gauge("cloud_accounts", text, health, "kind", "health")


def _alerts(now: datetime) -> Iterator[GaugeMetricFamily]:
    """What has not left the portal yet, and what was given up."""
    loose = AlertItem.objects.filter(delivery=None).count()
    text = "Notifications that wait to leave by an alert rule, digests among them."
    yield _gauge("alert_notifications_waiting", text, {(): loose})
    waiting = AlertDelivery.objects.filter(state=Delivery.WAITING).aggregate(
        new=Count("pk", filter=Q(attempts=0)), tried=Count("pk", filter=Q(attempts__gt=0))
    )
    states = {("waiting",): waiting["new"], ("retrying",): waiting["tried"]}
    yield _gauge("alert_deliveries", "Deliveries of alerts that are outstanding.", states, "state")
    given_up = AlertDelivery.objects.filter(state=Delivery.FAILED, created_at__gte=now - 2 * DAY)
    number = given_up.filter(ended_at__gte=now - DAY).count()
    text = "Deliveries of alerts given up within the last day."
    yield _gauge("alert_deliveries_given_up_last_day", text, {(): number})
