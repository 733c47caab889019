"""/metrics: for who has the token, in a fixed number of queries, over all web processes."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from backups.models import BackupPolicy
from portal.models import CloudAccount, Heartbeat, Resource, Task
from reporting.metrics import exposition
from reporting.models import AlertDelivery, AlertRule
from tests.factories import BackupFactory, ResourceFactory, TaskFactory
from tests.people import World

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def _samples(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _now() -> Samples:
    return _samples(exposition().decode())


def _get(token: str, scheme: str = "Bearer") -> Any:
    # A header is Latin-1 on the wire.
    given = f"{scheme} {token}".encode().decode("latin-1")
    return Client().get("/metrics", headers={"Authorization": given})


@pytest.mark.django_db
@override_settings(METRICS_TOKEN="")
@pytest.mark.parametrize("token", ["", "anything"])
def test_without_a_token_in_the_settings_there_is_no_such_page(token: str) -> None:
    assert _get(token).status_code == 404


@pytest.mark.django_db
@override_settings(METRICS_TOKEN="right")
def test_only_the_right_token_opens_it() -> None:
    tokens = [(token, "Bearer") for token in ("wrong", "", "righ", "right2", "\u00e9", "\0")]
    for token, scheme in [*tokens, ("right", "Basic"), ("right", "")]:
        answer = _get(token, scheme)
        assert answer.status_code == 401, token
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert "standby_" not in answer.content.decode()
    assert Client().get("/metrics").status_code == 401
    good = _get("right")
    assert good.status_code == 200
    assert good["Content-Type"].startswith("text/plain; version=")
    assert "no-store" in good["Cache-Control"]
    assert "standby_tasks" in good.content.decode()
    assert Client().post("/metrics").status_code == 405


def test_backups_and_replicas_are_told_by_kind(world: World) -> None:
    now = timezone.now()
    world.account.dr_enabled, world.account.dr_cloud_account = True, world.cloud_account
    world.account.save()
    Resource.objects.filter(pk=world.sandbox.pk).update(
        last_good_at=now - timedelta(hours=2), last_replica_at=now - timedelta(hours=5)
    )
    old = ResourceFactory(account=world.account)
    Resource.objects.filter(pk=old.pk).update(last_good_at=now - timedelta(days=3))
    gone = ResourceFactory(account=world.account, is_missing=True)
    BackupFactory(resource=gone)
    found = _now()

    def value(name: str, kind: str, *more: tuple[str, str]) -> float | None:
        return found.get((f"standby_{name}", tuple(sorted([("kind", kind), *more]))))

    newest, oldest = ("of", "newest"), ("of", "oldest")
    assert value("resources", "sandbox") == 1
    assert value("resources", "utility_server") == 2
    assert value("resources", "personal_drive") == 0
    assert value("resources_without_good_backup", "sandbox") == 0
    assert value("resources_without_good_backup", "utility_server") == 1
    assert value("good_backup_age_seconds", "sandbox", newest) == pytest.approx(7200, abs=60)
    assert value("good_backup_age_seconds", "utility_server", oldest) == pytest.approx(
        259_200, abs=60
    )
    assert value("good_backup_age_seconds", "personal_drive", oldest) is None
    assert value("replica_age_seconds", "sandbox", oldest) == pytest.approx(18_000, abs=60)
    assert value("resources_without_replica", "utility_server") == 2


def test_tasks_are_told_by_state_and_how_long_they_wait(world: World) -> None:
    now = timezone.now()
    hour = timedelta(hours=1)

    def task(state: str, **facts: Any) -> Task:
        made: Task = TaskFactory(account=world.account, state=state, **facts)
        return made

    task("queued", created_at=now - 2 * hour)
    late = task("running", next_wake_at=now - hour)
    task("running", next_wake_at=now - 2 * hour, lease_until=now + hour)
    task("failed", next_wake_at=now, ended_at=now)
    task("done", next_wake_at=now - hour, ended_at=now - 2 * hour)
    found = _now()
    states = {state: found["standby_tasks", (("state", state),)] for state in Task.ACTIVE}
    assert states == {"queued": 1, "running": 2, "failing": 0, "canceling": 0}
    ended = {
        state: found["standby_tasks_ended_last_hour", (("state", state),)]
        for state in ("done", "failed", "canceled")
    }
    assert ended == {"done": 0, "failed": 1, "canceled": 0}
    assert found["standby_task_due_age_seconds", ()] == pytest.approx(3600, abs=60)
    assert found["standby_task_queue_age_seconds", ()] == pytest.approx(7200, abs=60)
    Task.objects.filter(pk=late.pk).update(next_wake_at=now + hour)
    assert _now()["standby_task_due_age_seconds", ()] == 0


def test_clouds_workers_schedules_and_alerts_are_told(world: World) -> None:
    now = timezone.now()
    CloudAccount.objects.update(health=CloudAccount.Health.UNREACHABLE)
    Heartbeat.objects.create(host="w", at=now - timedelta(seconds=100))
    BackupPolicy.objects.create(
        resource=world.sandbox, is_scheduled=True, starts_on=now.date(),
        next_run_at=now - timedelta(minutes=31),
    )  # fmt: skip
    rule = AlertRule.objects.create(account=world.account, name="R")
    rule.deliveries.create(attempts=2)
    rule.deliveries.create(
        state=AlertDelivery.State.FAILED, ended_at=now, next_attempt_at=None,
        created_at=now - timedelta(days=1),
    )  # fmt: skip
    rule.items.create(notification_id=rule.pk, level="error", title="T", told_at=now)
    found = _now()
    at = "standby_cloud_accounts"
    assert found[at, (("health", "unreachable"), ("kind", "ahv"))] == 1
    assert found[at, (("health", "reachable"), ("kind", "azure"))] == 0
    assert found["standby_worker_heartbeat_age_seconds", ()] == pytest.approx(100, abs=60)
    assert found["standby_schedules_overdue", ()] == 1
    assert found["standby_alert_notifications_waiting", ()] == 1
    assert found["standby_alert_deliveries", (("state", "retrying"),)] == 1
    assert found["standby_alert_deliveries_given_up_last_day", ()] == 1


def test_no_label_names_a_customer_and_queries_are_fixed(
    world: World, elsewhere: World, django_assert_num_queries: Any
) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            text = exposition().decode()
        for secret in (world.customer.name, world.account.name, str(world.account.pk)):
            assert secret not in text
        return len(queries)

    few = count()
    for place in (world, elsewhere):
        for _ in range(5):
            BackupFactory(resource=ResourceFactory(account=place.account))
    assert count() == few == 12


@pytest.mark.django_db
@override_settings(METRICS_TOKEN="right")
def test_requests_are_timed_by_view_method_and_class_of_status() -> None:
    client = Client()
    client.get("/healthz")
    client.post("/healthz")
    client.get("/no/such/page")
    client.generic("BREW", "/healthz")
    found = _samples(_get("right").content.decode())
    name = "standby_request_duration_seconds_count"

    def count(view: str, method: str, status: str) -> float:
        labels = (("method", method), ("status", status), ("view", view))
        return found.get((name, labels), 0)

    assert count("portal:healthz", "GET", "2xx") >= 1
    assert count("portal:healthz", "POST", "4xx") >= 1
    assert count("none", "GET", "4xx") >= 1
    assert count("portal:healthz", "other", "4xx") >= 1


@pytest.mark.django_db
@override_settings(METRICS_TOKEN="right")
def test_what_former_servers_counted_is_removed_and_what_runs_stays() -> None:
    ours = Path(settings.METRICS_DIR)
    machine = ours.name.rpartition("-")[0]
    gone, alive = ours.with_name(f"{machine}-99999999"), ours.with_name(f"{machine}-{os.getpid()}")
    other = ours.with_name("another-machine-99999999")
    for folder in (gone, alive, other):
        folder.mkdir(parents=True)
    Client().get("/healthz")
    assert [folder.exists() for folder in (ours, gone, alive, other)] == [True, False, True, True]
