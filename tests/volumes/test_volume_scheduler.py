"""The clock starts one task for all volumes of a kind, once, and says what it missed."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from backups import policies
from backups.models import Backup, VolumePolicy
from backups.policies import Wanted
from portal.audit import SYSTEM
from portal.engine import Again
from portal.engine.clock import using
from portal.models import AuditEntry, Notification, Resource, Task
from tests.clock import JumpClock
from tests.factories import BackupFactory, ResourceFactory, TaskFactory
from tests.people import World
from volumes import scheduler, workflows

pytestmark = pytest.mark.django_db
DRIVE = Resource.Kind.PERSONAL_DRIVE
TEN = datetime(2026, 11, 20, 10, tzinfo=UTC)
NIGHTLY = Wanted(True, time(22), "UTC", 7, 10)


@pytest.fixture
def clock() -> JumpClock:
    clock = JumpClock(lambda seconds: None)
    clock.time = TEN
    return clock


@pytest.fixture
def drives(world: World) -> list[Resource]:
    return [
        ResourceFactory(account=world.account, kind=DRIVE, name=f"PDR-{n}", user_name=f"user-{n}")
        for n in range(3)
    ]


def _save(world: World, clock: JumpClock, wanted: Wanted = NIGHTLY) -> VolumePolicy:
    with using(clock):
        return policies.save_volume_policy(SYSTEM, world.account, DRIVE, wanted)


def test_saving_starts_nothing_and_is_in_the_audit_trail(
    world: World, clock: JumpClock, drives: list[Resource]
) -> None:
    _save(world, clock)
    assert not Task.objects.exists()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.detail["kind"]) == ("volume_policy.edit", DRIVE)


def test_a_due_run_starts_once_whoever_looks(
    world: World, clock: JumpClock, drives: list[Resource]
) -> None:
    _save(world, clock)
    at = TEN.replace(hour=22)
    scheduler.start_due(at - timedelta(minutes=1))
    assert not Task.objects.exists()
    for _ in range(3):
        scheduler.start_due(at)
    task = Task.objects.get()
    assert (task.title, task.origin) == ("Backup Personal Drives", Task.Origin.SCHEDULE)
    assert task.args["count"] == 3
    assert VolumePolicy.objects.get().next_run_at == at + timedelta(days=1)


def test_each_volume_gets_one_backup_of_the_run(
    world: World, clock: JumpClock, drives: list[Resource]
) -> None:
    _save(world, clock)
    at = TEN.replace(hour=22)
    scheduler.start_due(at)
    task = Task.objects.get()
    clock.time = at
    with using(clock):
        for _ in range(2):
            workflows._start_portion(task, {})
    made = Backup.objects.all()
    assert {(each.type, each.due_at) for each in made} == {("S", at)}
    assert made.count() == 3


def test_without_volumes_nothing_is_started(world: World, clock: JumpClock) -> None:
    _save(world, clock)
    scheduler.start_due(TEN.replace(hour=22))
    assert not Task.objects.exists()
    assert VolumePolicy.objects.get().next_run_at == TEN.replace(day=21, hour=22)


def test_a_run_that_came_too_late_is_missed_and_told_once(
    world: World, clock: JumpClock, drives: list[Resource]
) -> None:
    _save(world, clock)
    scheduler.start_due(TEN.replace(day=21, hour=5))
    assert not Task.objects.exists()
    missed = Backup.objects.filter(status=Backup.Status.MISSED)
    assert missed.count() == 3
    assert "3 systems missed" in Notification.objects.get().title
    drives[0].refresh_from_db()
    assert drives[0].last_backup_status == "missed"
    assert VolumePolicy.objects.get().next_run_at == TEN.replace(day=21, hour=22)


def test_a_busy_volume_is_waited_for_and_missed_after_six_hours(
    world: World, clock: JumpClock, drives: list[Resource]
) -> None:
    _save(world, clock)
    at = TEN.replace(hour=22)
    busy = TaskFactory(
        resource=drives[0], account=world.account, is_exclusive=True, state=Task.State.RUNNING
    )
    scheduler.start_due(at)
    task = Task.objects.get(kind="backup_volumes")
    clock.time = at
    with using(clock):
        again = workflows._start_portion(task, {})
        assert isinstance(again, Again)
        task.memory = {**again.learned}
        waits = workflows._start_portion(task, {})
        assert isinstance(waits, Again)
        assert waits.seconds
        assert not Backup.objects.filter(resource=drives[0]).exists()
        task.memory = {**task.memory, **waits.learned}
        clock.time = at + timedelta(hours=7)
        last = workflows._start_portion(task, {})
        assert isinstance(last, Again)
        task.memory = {**task.memory, **last.learned}
        assert workflows._start_portion(task, {}) == {}
    assert Backup.objects.get(resource=drives[0]).status == Backup.Status.MISSED
    busy.refresh_from_db()
    assert busy.is_active


def test_a_changed_time_holds_from_the_next_day(
    world: World, clock: JumpClock, drives: list[Resource]
) -> None:
    _save(world, clock)
    policy = _save(world, clock, Wanted(True, time(23), "UTC", 7, 10))
    today, tomorrow = TEN.replace(hour=22), TEN.replace(day=21, hour=23)
    assert policy.next_run_at == today
    shown = policies.volume_preview(policy, policies.present(policy), TEN)
    assert shown.next_runs[:2] == (today, tomorrow)
    assert shown.first_with_new_time == tomorrow
    scheduler.start_due(today)
    assert VolumePolicy.objects.get().next_run_at == tomorrow


def test_the_preview_counts_over_all_volumes(
    world: World, clock: JumpClock, drives: list[Resource]
) -> None:
    for drive in drives[:2]:
        for n in range(3):
            BackupFactory(resource=drive, type="S", created_at=TEN - timedelta(days=n))
    BackupFactory(resource=drives[2], type="M")
    policy = VolumePolicy.of(world.account, DRIVE)
    shown = policies.volume_preview(policy, Wanted(True, time(22), "UTC", 2, 1), TEN)
    # Each of two has three, and a fourth comes: two of each are over the number.
    assert (shown.removed, shown.full) == (4, 1)
