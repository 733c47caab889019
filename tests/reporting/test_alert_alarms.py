"""The alarm when a schedule did not run at all: an error, once for each run, sent as an alert."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import override_settings

from backups import scheduler
from backups.models import Backup, BackupPolicy, VolumePolicy
from portal.engine import clock
from portal.engine.ticks import run_ticks
from portal.models import Account, Notification, Resource, Task
from reporting import alarms, alert_sending
from reporting.models import AlertRule
from tests.clock import JumpClock
from tests.factories import ResourceFactory, TaskFactory
from tests.people import World
from volumes import scheduler as volume_scheduler

DUE = datetime(2026, 11, 2, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DRIVE = Resource.Kind.PERSONAL_DRIVE
NIGHTLY: dict[str, Any] = {
    "is_scheduled": True,
    "backup_time": time(2),
    "starts_on": date(2026, 11, 1),
    "next_run_at": DUE,
}


def _policy(resource: Resource) -> BackupPolicy:
    return BackupPolicy.objects.create(resource=resource, **NIGHTLY)


def _kind_policy(account: Account) -> VolumePolicy:
    return VolumePolicy.objects.create(account=account, kind=DRIVE, **NIGHTLY)


def _told(account: Account) -> list[Notification]:
    return list(Notification.objects.filter(account=account, kind="schedule"))


def test_a_run_that_was_not_begun_is_told_once(world: World) -> None:
    _policy(world.utility_server)
    alarms.look_at(DUE + 30 * MINUTE)
    assert _told(world.account) == []
    for late in (31, 32, 300):
        alarms.look_at(DUE + late * MINUTE)
    (told,) = _told(world.account)
    assert told.level == "error"
    assert told.title == f"The scheduled backup of {world.utility_server.name} did not run"
    assert "Due at 2 Nov 2026, 02:00 UTC, not begun 31 min later" in told.body
    assert "/readyz" in told.body


def test_the_next_run_that_is_overdue_is_told_again(world: World) -> None:
    policy = _policy(world.utility_server)
    alarms.look_at(DUE + 31 * MINUTE)
    day = timedelta(days=1)
    BackupPolicy.objects.filter(pk=policy.pk).update(next_run_at=DUE + day)
    alarms.look_at(DUE + day + 31 * MINUTE)
    assert len(_told(world.account)) == 2


def test_systems_of_an_account_that_were_due_together_are_told_together(
    world: World, elsewhere: World
) -> None:
    for number in range(5):
        _policy(ResourceFactory(account=world.account, name=f"util-{number}"))
    _policy(elsewhere.sandbox)
    _kind_policy(world.account)
    alarms.look_at(DUE + 31 * MINUTE)
    (told,) = _told(world.account)
    assert told.title == "The scheduled backups of 6 systems did not run"
    assert "all Personal Drives, util-0, util-1 and 3 more." in told.body
    assert len(_told(elsewhere.account)) == 1


@pytest.mark.parametrize("state", ["running", "done"])
def test_a_busy_system_is_waited_for_and_not_told(state: str, world: World) -> None:
    policy = _policy(world.utility_server)
    now = DUE + 45 * MINUTE
    TaskFactory(
        account=world.account, resource=policy.resource, state=state, is_exclusive=True,
        ended_at=None if state == "running" else now - MINUTE,
    )  # fmt: skip
    alarms.look_at(now)
    assert _told(world.account) == []


def test_what_is_six_hours_late_is_told_as_missed_by_the_scheduler_alone(world: World) -> None:
    _policy(world.utility_server)
    late = DUE + timedelta(hours=6, minutes=1)
    alarms.look_at(late)
    assert _told(world.account) == []
    scheduler.start_due(late)
    (told,) = _told(world.account)
    assert "missed" in told.title


@override_settings(SCHEDULE_ALARM_MINUTES=120)
def test_how_late_is_too_late_is_a_setting(world: World) -> None:
    _policy(world.utility_server)
    alarms.look_at(DUE + 119 * MINUTE)
    assert _told(world.account) == []
    alarms.look_at(DUE + 121 * MINUTE)
    assert len(_told(world.account)) == 1


def test_a_schedule_that_is_off_is_not_overdue(world: World) -> None:
    BackupPolicy.objects.create(resource=world.utility_server)
    alarms.look_at(DUE + 31 * MINUTE)
    assert _told(world.account) == []


def test_workers_that_come_back_tell_before_they_make_up_for_it(world: World) -> None:
    """And it leaves as an alert."""
    AlertRule.objects.create(
        account=world.account, name="On call", kinds=["schedule"], recipients=["ops@example.org"],
        portal_url="https://portal.example/",
    )  # fmt: skip
    _policy(world.utility_server)
    jump = JumpClock()
    jump.time = DUE + 90 * MINUTE
    with clock.using(jump):
        run_ticks()
        run_ticks()
        alert_sending.run()
    assert Backup.objects.get(resource=world.utility_server).due_at == DUE
    (sent,) = mail.outbox
    assert f"The scheduled backup of {world.utility_server.name} did not run" in sent.subject


@pytest.mark.parametrize("outcome", ["creating", "ready", "failed", "missed"])
def test_a_run_that_left_any_backup_is_not_told(outcome: str, world: World) -> None:
    _policy(world.utility_server)
    scheduler.start_due(DUE)
    Backup.objects.update(status=outcome)
    alarms.look_at(DUE + 31 * MINUTE)
    assert _told(world.account) == []


def test_a_run_that_left_no_backup_is_told_once(world: World) -> None:
    _policy(world.utility_server)
    scheduler.start_due(DUE)
    Backup.objects.all().delete()
    for late in (29, 31, 32):
        alarms.look_at(DUE + late * MINUTE)
    (told,) = _told(world.account)
    assert told.level == "error"
    assert told.title == f"The scheduled backup of {world.utility_server.name} left no backup"


def test_a_kind_of_volumes_is_told_only_when_nothing_says_how_its_run_went(world: World) -> None:
    _kind_policy(world.account)
    ResourceFactory(account=world.account, kind=DRIVE, user_name="somebody")
    volume_scheduler.start_due(DUE)
    alarms.look_at(DUE + 31 * MINUTE)
    assert _told(world.account) == [], "its task tells"
    Task.objects.all().delete()
    alarms.look_at(DUE + 32 * MINUTE)
    (told,) = _told(world.account)
    assert told.title == "The scheduled backup of all Personal Drives left no backup"


def test_a_kind_without_volumes_has_nothing_to_back_up(world: World) -> None:
    _kind_policy(world.account)
    volume_scheduler.start_due(DUE)
    alarms.look_at(DUE + 31 * MINUTE)
    assert _told(world.account) == []


def test_looking_at_nothing_overdue_takes_four_queries_however_many_policies(
    world: World, django_assert_num_queries: Any
) -> None:
    for _ in range(20):
        _policy(ResourceFactory(account=world.account))
    with django_assert_num_queries(4):
        alarms.look_at(DUE)
