"""What the clock starts: once, late if need be, or marked as missed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from backups import scheduler
from backups.models import Backup, BackupPolicy
from portal.models import Notification, Resource, Task
from tests.factories import ResourceFactory, TaskFactory

ROOT = Path(__file__).resolve().parents[2]
DUE = datetime(2026, 11, 2, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def scheduled(**fields: Any) -> BackupPolicy:
    resource = fields.pop("resource", None) or ResourceFactory.create(
        kind=Resource.Kind.UTILITY_SERVER
    )
    defaults = {
        "is_scheduled": True,
        "backup_time": time(2),
        "time_zone": "UTC",
        "starts_on": date(2026, 11, 1),
        "next_run_at": DUE,
    }
    return BackupPolicy.objects.create(resource=resource, **(defaults | fields))


def next_run(policy: BackupPolicy) -> datetime | None:
    policy.refresh_from_db()
    return policy.next_run_at


def keep_busy(policy: BackupPolicy) -> Task:
    task: Task = TaskFactory.create(
        resource=policy.resource,
        account=policy.resource.account,
        is_exclusive=True,
        state=Task.State.RUNNING,
    )
    return task


@pytest.mark.django_db
def test_a_due_run_becomes_a_task_and_a_backup() -> None:
    policy = scheduled()
    scheduler.start_due(DUE + SECOND)
    backup = Backup.objects.select_related("task").get()
    task = backup.task
    assert task
    assert (backup.type, backup.status, backup.due_at) == ("S", "creating", DUE)
    assert backup.name == "Scheduled 2 Nov 2026"
    assert backup.created_at == task.created_at == DUE + SECOND
    assert (task.kind, task.origin, task.requested_by) == ("create_backup", "schedule", None)
    assert task.title == f"Backup {policy.resource.name}"
    assert task.is_exclusive
    assert task.is_maintenance
    assert task.account == policy.resource.account
    assert task.cloud_account == policy.resource.cloud_account
    assert task.args == {
        "server": policy.resource.external_id,
        "account": str(policy.resource.account_id),
        "resource": str(policy.resource_id),
        "backup": str(backup.pk),
        "type": "S",
        "may_power_off": True,
    }
    assert next_run(policy) == DUE + DAY


@pytest.mark.django_db
def test_the_sandbox_is_called_so_in_the_title_of_its_task() -> None:
    scheduled(resource=ResourceFactory.create(kind=Resource.Kind.SANDBOX))
    scheduler.start_due(DUE)
    assert Task.objects.get().title == "Backup Sandbox"


@pytest.mark.django_db
def test_what_is_not_due_or_not_scheduled_is_left_alone() -> None:
    scheduled(next_run_at=DUE + SECOND)
    scheduled(is_scheduled=False, next_run_at=None, starts_on=None)
    scheduler.start_due(DUE)
    assert not Task.objects.exists()


@pytest.mark.django_db
def test_a_second_look_starts_nothing_again() -> None:
    scheduled()
    for _ in range(2):
        scheduler.start_due(DUE)
        scheduler.start_due(DUE + HOUR)
    assert Backup.objects.count() == Task.objects.count() == 1


@pytest.mark.django_db
def test_a_run_found_again_has_the_same_task_and_moves_on() -> None:
    policy = scheduled()
    scheduler.start_due(DUE)
    Task.objects.update(state=Task.State.DONE)
    BackupPolicy.objects.update(next_run_at=DUE)  # as if moving on had been lost
    scheduler.start_due(DUE)
    assert Backup.objects.count() == Task.objects.count() == 1
    assert next_run(policy) == DUE + DAY


@pytest.mark.django_db
def test_a_run_on_a_busy_system_waits_and_is_made_late() -> None:
    policy = scheduled()
    task = keep_busy(policy)
    scheduler.start_due(DUE + HOUR)
    assert not Backup.objects.exists()
    assert next_run(policy) == DUE
    Task.objects.filter(pk=task.pk).update(state=Task.State.DONE)
    scheduler.start_due(DUE + 2 * HOUR)
    backup = Backup.objects.get()
    assert backup.due_at == DUE
    assert backup.description == "Late: was due at 02:00 UTC."
    assert next_run(policy) == DUE + DAY


@pytest.mark.django_db
def test_six_hours_late_is_made_up_and_a_second_more_is_missed() -> None:
    policy = scheduled()
    scheduler.start_due(DUE + 6 * HOUR)
    assert Backup.objects.get().status == Backup.Status.CREATING
    Backup.objects.all().delete()
    Task.objects.all().delete()
    BackupPolicy.objects.update(next_run_at=DUE)
    scheduler.start_due(DUE + 6 * HOUR + SECOND)
    missed = Backup.objects.get()
    assert (missed.status, missed.due_at, missed.created_at) == ("missed", DUE, DUE)
    assert missed.error == "Due at 02:00 UTC; no worker was running for 6 hours."
    assert not Task.objects.exists()
    assert next_run(policy) == DUE + DAY
    told = Notification.objects.get()
    assert told.level == Notification.Level.WARNING
    assert str(policy.resource) in told.title


@pytest.mark.django_db
def test_a_system_busy_for_six_hours_misses_its_run_and_says_why() -> None:
    policy = scheduled()
    keep_busy(policy)
    scheduler.start_due(DUE + 7 * HOUR)
    assert Backup.objects.get().error == "Due at 02:00 UTC; the system was busy for 6 hours."
    assert next_run(policy) == DUE + DAY


@pytest.mark.django_db
def test_after_days_without_a_worker_only_the_last_run_is_made() -> None:
    policy = scheduled()
    scheduler.start_due(DUE + 3 * DAY + HOUR)
    missed, made = Backup.objects.order_by("due_at")
    assert (missed.status, missed.due_at) == ("missed", DUE + 2 * DAY)
    assert missed.error.endswith("The runs since 2 Nov 2026 were missed too.")
    assert (made.status, made.due_at) == ("creating", DUE + 3 * DAY)
    assert next_run(policy) == DUE + 4 * DAY
    assert Notification.objects.count() == 1


@pytest.mark.django_db
def test_each_account_is_told_once_of_all_it_missed() -> None:
    first = scheduled()
    for n in range(4):
        scheduled(
            resource=ResourceFactory.create(
                account=first.resource.account,
                cloud_account=first.resource.cloud_account,
                kind=Resource.Kind.UTILITY_SERVER,
                name=f"server-{n}",
            )
        )
    other = scheduled()
    scheduler.start_due(DUE + 7 * HOUR)
    mine = Notification.objects.get(account=first.resource.account)
    assert mine.title == "Scheduled backups of 5 systems missed"
    assert "and 2 more" in mine.body
    assert Notification.objects.filter(account=other.resource.account).count() == 1


@pytest.mark.django_db
def test_a_name_longer_than_a_title_is_cut() -> None:
    scheduled(resource=ResourceFactory.create(name="é" * 255, kind=Resource.Kind.UTILITY_SERVER))
    scheduler.start_due(DUE)
    assert Task.objects.get().title == f"Backup {'é' * 193}"


@pytest.mark.django_db
def test_a_policy_that_cannot_be_settled_does_not_hold_the_others_up() -> None:
    lost, good = scheduled(time_zone="Mars/Olympus"), scheduled()
    for _ in range(2):
        scheduler.start_due(DUE)
    assert Backup.objects.get().resource == good.resource
    assert next_run(lost) == DUE


@pytest.mark.django_db
def test_queries_do_not_grow_with_what_is_due(django_assert_max_num_queries: Any) -> None:
    for _ in range(30):
        scheduled()
    with django_assert_max_num_queries(14):
        scheduler.start_due(DUE)
    assert Task.objects.count() == 30


@pytest.mark.django_db
def test_the_clock_that_is_minute_by_minute_calls_it() -> None:
    from portal.engine.ticks import run_ticks

    policy = scheduled(next_run_at=datetime.now(UTC) - SECOND, starts_on=date(2020, 1, 1))
    run_ticks()
    assert Backup.objects.get(resource=policy.resource).type == "S"


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_at_once_start_each_run_once() -> None:
    policies = [scheduled() for _ in range(40)]
    gate = threading.Barrier(2)

    def look() -> None:
        gate.wait()
        try:
            scheduler.start_due(DUE)
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Backup.objects.count() == Task.objects.count() == len(policies)
    assert all(next_run(policy) == DUE + DAY for policy in policies)


# Kills itself at the nth statement it sends to the database.
DYING = """
import os, signal, sys
from datetime import datetime
import django
django.setup()
from django.db import connection
from backups import scheduler
left = int(sys.argv[1])
def die(execute, sql, params, many, context):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return execute(sql, params, many, context)
with connection.execute_wrapper(die):
    scheduler.start_due(datetime.fromisoformat(sys.argv[2]))
"""


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_scheduler_killed_at_any_statement_neither_skips_a_run_nor_starts_it_twice(
    process_environment: dict[str, str],
) -> None:
    policies = [scheduled() for _ in range(3)]
    deaths = 0
    while _look_and_die(process_environment, deaths):
        deaths += 1
        begun = Backup.objects.filter(status=Backup.Status.CREATING).count()
        assert begun == Task.objects.count() in {0, len(policies)}
    assert deaths > 5
    assert Backup.objects.count() == Task.objects.count() == len(policies)
    assert all(next_run(policy) == DUE + DAY for policy in policies)


def _look_and_die(environment: dict[str, str], statements: int) -> bool:
    """Whether a scheduler that lives so many statements was killed before its end."""
    command = [sys.executable, "-c", DYING, str(statements), DUE.isoformat()]
    settings = {"DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"]}
    done = subprocess.run(
        command, cwd=ROOT, env=environment | settings, capture_output=True, check=False
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr.decode()
    return done.returncode != 0
