"""Saving the settings of a system: what runs next, what is refused, what is told beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from random import Random

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from backups import policies, services
from backups.models import Backup, BackupPolicy
from backups.policies import Wanted
from portal.audit import SYSTEM
from portal.engine.clock import using
from portal.models import AuditEntry, Resource, Task
from tests.clock import JumpClock
from tests.factories import BackupFactory, ResourceFactory

pytestmark = pytest.mark.django_db

TEN = datetime(2026, 11, 2, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NIGHTLY = Wanted(True, time(22), "UTC", 7, 10)


@pytest.fixture
def clock() -> Iterator[JumpClock]:
    """Ten in the morning."""
    clock = JumpClock()
    clock.time = TEN
    with using(clock):
        yield clock


@pytest.fixture
def server(db: None) -> Resource:
    server: Resource = ResourceFactory.create(kind=Resource.Kind.UTILITY_SERVER)
    return server


def save(server: Resource, wanted: Wanted) -> BackupPolicy:
    return policies.save_policy(SYSTEM, server, wanted)


def test_without_settings_there_are_defaults_and_no_schedule(server: Resource) -> None:
    policy = BackupPolicy.of(server)
    assert not policy.is_scheduled
    assert policy.schedule is None
    assert (policy.keep_scheduled, policy.keep_manual) == (7, 10)
    assert policy.time_zone == server.account.time_zone


@pytest.mark.parametrize(("at", "first"), [(time(22), TEN + 12 * HOUR), (time(2), TEN + 16 * HOUR)])
def test_a_new_schedule_runs_at_the_first_applicable_time(
    clock: JumpClock, server: Resource, at: time, first: datetime
) -> None:
    policy = save(server, replace(NIGHTLY, backup_time=at))
    assert policy.next_run_at == first
    assert policies.preview(policy, policies.present(policy), TEN).next_runs == (
        first, first + DAY, first + 2 * DAY,
    )  # fmt: skip


def test_saving_starts_nothing_and_leaves_an_audit_entry(
    clock: JumpClock, server: Resource
) -> None:
    save(server, NIGHTLY)
    save(server, NIGHTLY)
    save(server, replace(NIGHTLY, keep_scheduled=3))
    assert not Task.objects.exists()
    assert not Backup.objects.exists()
    first, second = AuditEntry.objects.filter(action="backup_policy.edit").order_by("pk")
    assert first.detail["before"] is None
    assert second.detail["before"]["keep_scheduled"] == 7
    assert second.detail["after"]["keep_scheduled"] == 3
    assert second.detail["after"]["backup_time"] == "22:00"


def test_a_changed_time_applies_from_the_following_day(clock: JumpClock, server: Resource) -> None:
    policy = save(server, NIGHTLY)
    later = replace(NIGHTLY, backup_time=time(23))
    told = policies.preview(policy, later, TEN)
    assert told.next_runs == (TEN + 12 * HOUR, TEN + 37 * HOUR, TEN + 61 * HOUR)
    assert told.first_with_new_time == TEN + 37 * HOUR
    policy = save(server, later)
    assert policy.next_run_at == TEN + 12 * HOUR
    assert policy.schedule is not None
    assert policy.schedule.after(policy.next_run_at) == TEN + 37 * HOUR


def test_a_time_that_has_run_today_runs_tomorrow_at_the_new_one(
    clock: JumpClock, server: Resource
) -> None:
    save(server, replace(NIGHTLY, backup_time=time(2)))
    policy = save(server, NIGHTLY)  # at ten: the run at two o'clock was today's
    assert policy.next_run_at == TEN + 36 * HOUR


def test_changing_forth_and_back_on_one_day_changes_nothing(
    clock: JumpClock, server: Resource
) -> None:
    before = save(server, NIGHTLY).next_run_at
    save(server, replace(NIGHTLY, backup_time=time(4)))
    after = save(server, NIGHTLY)
    assert after.next_run_at == before
    assert after.schedule is not None
    assert after.schedule.after(before or TEN) == TEN + 36 * HOUR


def test_other_numbers_leave_the_next_run_as_it_is(clock: JumpClock, server: Resource) -> None:
    before = save(server, NIGHTLY).next_run_at
    clock.advance(HOUR.total_seconds())
    assert save(server, replace(NIGHTLY, keep_manual=1)).next_run_at == before


def test_an_overdue_run_outlives_a_change_of_time(clock: JumpClock, server: Resource) -> None:
    due = save(server, NIGHTLY).next_run_at
    clock.advance(14 * HOUR.total_seconds())  # midnight; no worker ran
    assert save(server, replace(NIGHTLY, backup_time=time(6))).next_run_at == due


def test_switched_off_nothing_is_due_and_switched_on_it_starts_anew(
    clock: JumpClock, server: Resource
) -> None:
    save(server, NIGHTLY)
    off = save(server, replace(NIGHTLY, is_scheduled=False))
    assert (off.next_run_at, off.schedule) == (None, None)
    assert save(server, NIGHTLY).next_run_at == TEN + 12 * HOUR


def test_settings_belong_to_one_system(clock: JumpClock, server: Resource) -> None:
    other = ResourceFactory.create(account=server.account, cloud_account=server.cloud_account)
    save(server, NIGHTLY)
    assert not BackupPolicy.of(other).is_scheduled


def test_whatever_is_changed_each_local_day_has_at_most_one_run_and_none_is_lost(
    clock: JumpClock, server: Resource
) -> None:
    """A hundred changes of time and zone at random moments, seeded."""
    random = Random(11)  # noqa: S311  # repeatable, not secret
    zones = ["UTC", "Europe/London", "Pacific/Auckland", "America/Los_Angeles"]
    policy = save(server, NIGHTLY)
    runs: list[datetime] = []
    for _ in range(100):
        clock.advance(random.randrange(1, 3 * 86400))
        policy.refresh_from_db()
        while policy.next_run_at and policy.next_run_at <= clock.now() and policy.schedule:
            runs.append(policy.next_run_at)
            policy.next_run_at = policy.schedule.after(policy.next_run_at)
        policy.save()
        at = time(random.randrange(24), random.randrange(60))
        policy = save(server, Wanted(True, at, random.choice(zones), 7, 10))
        assert policy.next_run_at
        assert policy.next_run_at > clock.now()
        assert policy.next_run_at - clock.now() < timedelta(hours=72)
    assert all(timedelta(0) < later - earlier < 3 * DAY for earlier, later in pairwise(runs))


@pytest.mark.parametrize("numbers", [(0, 1), (-1, 1), (101, 1), (1, 0), (1, -1), (1, 101)])
def test_numbers_out_of_bounds_are_refused_by_service_and_database(
    server: Resource, numbers: tuple[int, int]
) -> None:
    scheduled, manual = numbers
    with pytest.raises(ValidationError):
        save(server, replace(NIGHTLY, keep_scheduled=scheduled, keep_manual=manual))
    assert not BackupPolicy.objects.exists()
    with pytest.raises(IntegrityError):
        BackupPolicy.objects.create(resource=server, keep_scheduled=scheduled, keep_manual=manual)


@pytest.mark.parametrize("number", [1, 100])
def test_the_bounds_are_accepted(clock: JumpClock, server: Resource, number: int) -> None:
    policy = save(server, replace(NIGHTLY, keep_scheduled=number, keep_manual=number))
    assert (policy.keep_scheduled, policy.keep_manual) == (number, number)


def test_the_preview_names_what_the_next_run_removes(clock: JumpClock, server: Resource) -> None:
    policy = save(server, NIGHTLY)
    backups = [
        BackupFactory.create(resource=server, type="S", created_at=TEN - n * DAY) for n in range(4)
    ]
    BackupFactory.create(resource=server, type="S", created_at=TEN - 9 * DAY, is_pinned=True)
    BackupFactory.create(resource=server, type="M", created_at=TEN - 9 * DAY)
    told = policies.preview(policy, replace(NIGHTLY, keep_scheduled=3), TEN)
    assert told.removed == [backups[3], backups[2]]
    assert not policies.preview(policy, NIGHTLY, TEN).removed
    off = replace(NIGHTLY, keep_scheduled=1, is_scheduled=False)
    assert not policies.preview(policy, off, TEN).removed


def test_the_preview_says_how_many_manual_backups_are_over(server: Resource) -> None:
    BackupFactory.create_batch(3, resource=server, type="M")
    policy = BackupPolicy.of(server)
    for number, over in ((5, 0), (4, 0), (3, 1), (1, 3)):
        wanted = replace(policies.present(policy), keep_manual=number)
        assert policies.preview(policy, wanted, TEN).manual_over == over


def test_manual_backups_stop_at_the_cap_and_nothing_is_removed(
    clock: JumpClock, server: Resource
) -> None:
    save(server, replace(NIGHTLY, keep_manual=2))
    held = BackupFactory.create_batch(2, resource=server, type="M")
    with pytest.raises(services.LimitReached) as refusal:
        services.create_backup(SYSTEM, server, name="One more", may_power_off=True)
    assert str(refusal.value) == (
        f"{server} has 2 manual backups; 2 may be kept. "
        "Delete one, or raise the number in the settings."
    )
    assert Backup.objects.count() == 2
    Backup.objects.filter(pk=held[0].pk).update(status=Backup.Status.DELETED)
    more = services.create_backup(SYSTEM, server, name="One more", may_power_off=True)
    assert more.status == Backup.Status.CREATING


@pytest.mark.parametrize("type_", ["S", "P", "D"])
def test_only_manual_backups_count_towards_the_cap(server: Resource, type_: str) -> None:
    save(server, replace(NIGHTLY, keep_manual=1))
    BackupFactory.create(resource=server, type=type_)
    assert services.create_backup(SYSTEM, server, name="The first", may_power_off=True).task


def test_a_failed_manual_backup_does_not_count(server: Resource) -> None:
    save(server, replace(NIGHTLY, keep_manual=1))
    BackupFactory.create(resource=server, type="M", status=Backup.Status.FAILED)
    assert services.create_backup(SYSTEM, server, name="Again", may_power_off=True).task
