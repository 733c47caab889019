"""The daily purge: what is too old goes to the second, what is promised stays (R144 to R156)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session as SignIn
from django.db import connection, connections
from django.db.models import CASCADE, PROTECT, SET_NULL

from disaster_recovery.models import Discrepancy
from portal.engine.runner import Runner
from portal.models import (
    Account,
    AuditEntry,
    Dismissal,
    Notification,
    Task,
    User,
)
from reporting.models import Counted, DataAvailability, DataType, SessionEvent, Wait
from reporting.purge.batches import referring_to
from reporting.purge.portions import Progress, purge_portion
from reporting.purge.rules import SOURCES
from reporting.purge.workflow import PURGE, purge_daily
from reporting.sessions import Event, take_in
from tests.clock import JumpClock
from tests.factories import (
    AccountFactory,
    AuditEntryFactory,
    BackupFactory,
    NotificationFactory,
    TaskFactory,
    UserFactory,
)
from tests.reporting.aged import MAKE, begin_purge, disk_sample, is_there, purge, waited

filling = import_module("reporting.migrations.0002_data_availability")

NOW = datetime(2025, 11, 20, 12, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
TRIMMED = {
    DataType.AUDIT_TRAIL: 24,
    DataType.TASKS: 12,
    DataType.USER_ACTIVITY: 12,
    DataType.ELASTICITY: 3,
    DataType.NOTIFICATIONS: 3,
    DataType.SESSION_TRAIL: 2,
    DataType.SESSION_LOGS: 1,
}
STARRED = sorted(set(DataType) - set(TRIMMED))
# A moment, and that many months before it: over leap days, and ends of longer months.
MOMENTS = {
    "2025-11-20T12:00:00": {
        24: "2023-11-20T12:00:00", 12: "2024-11-20T12:00:00", 3: "2025-08-20T12:00:00",
        2: "2025-09-20T12:00:00", 1: "2025-10-20T12:00:00",
    },
    "2024-02-29T06:00:00": {
        24: "2022-02-28T06:00:00", 12: "2023-02-28T06:00:00", 3: "2023-11-29T06:00:00",
        2: "2023-12-29T06:00:00", 1: "2024-01-29T06:00:00",
    },
    "2026-02-28T23:59:59": {
        24: "2024-02-28T23:59:59", 12: "2025-02-28T23:59:59", 3: "2025-11-28T23:59:59",
        2: "2025-12-28T23:59:59", 1: "2026-01-28T23:59:59",
    },
    "2024-03-31T00:00:00": {
        24: "2022-03-31T00:00:00", 12: "2023-03-31T00:00:00", 3: "2023-12-31T00:00:00",
        2: "2024-01-31T00:00:00", 1: "2024-02-29T00:00:00",
    },
}  # fmt: skip


@pytest.fixture
def account(db: None) -> Account:
    return AccountFactory(name="Radiology", time_zone="Pacific/Auckland")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("data_type", "months"), TRIMMED.items())
def test_what_is_too_old_goes_to_the_second(
    data_type: DataType, months: int, moment: str, account: Account
) -> None:
    cutoff = _at(MOMENTS[moment][months])
    # Of a day, the end is the first moment after it.
    edge = SECOND if data_type == DataType.USER_ACTIVITY else timedelta()
    times = (cutoff - DAY, cutoff - SECOND + edge, cutoff + edge, cutoff + DAY)
    before, just_before, at, after = (MAKE[data_type](account, each) for each in times)
    task = purge(_at(moment))
    assert task.state == Task.State.DONE, task.error_detail
    assert [is_there(each) for each in (before, just_before, at, after)] == [
        False, False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize(("data_type", "months"), TRIMMED.items())
def test_nothing_goes_a_day_too_early(data_type: DataType, months: int, account: Account) -> None:
    """R145: 24 months and a day old is gone, 24 months but a day is there; each type alike."""
    year, month = divmod(NOW.year * 12 + NOW.month - 1 - months, 12)
    then = NOW.replace(year=year, month=month + 1)
    young, old = (MAKE[data_type](account, then + days * DAY) for days in (1, -1))
    purge(NOW)
    assert is_there(young)
    assert not is_there(old)


@pytest.mark.parametrize("data_type", STARRED)
def test_starred_records_stay_while_the_account_lives(
    data_type: DataType, account: Account
) -> None:
    old = MAKE[data_type](account, NOW - timedelta(days=4000))
    sample = disk_sample(account, NOW - timedelta(days=4000))
    purge(NOW)
    assert is_there(old)
    assert is_there(sample)
    assert not AuditEntry.objects.filter(detail__type=data_type).exists()


@pytest.mark.parametrize("data_type", STARRED)
def test_without_its_star_a_type_is_trimmed(data_type: DataType, account: Account) -> None:
    DataAvailability.objects.filter(pk=data_type).update(is_starred=False, months=6)
    cutoff = _at("2025-05-20T12:00:00")
    old, young = (MAKE[data_type](account, each) for each in (cutoff, cutoff + SECOND))
    samples = [disk_sample(account, cutoff + days * DAY) for days in (-2, -1, 0)]
    purge(NOW)
    assert not is_there(old)
    assert is_there(young)
    is_disks = data_type == DataType.DISK_USAGE
    # A day ends somewhere a day later than it does in UTC.
    assert [is_there(each) for each in samples] == [not is_disks, True, True]


@pytest.mark.parametrize("data_type", TRIMMED)
def test_with_a_star_or_no_period_a_type_stays(data_type: DataType, account: Account) -> None:
    rows = DataAvailability.objects.filter(pk=data_type)
    old = MAKE[data_type](account, NOW - timedelta(days=4000))
    # What follows a session is of a type of its own.
    DataAvailability.objects.filter(pk=DataType.SESSION_TRAIL).update(is_starred=True)
    rows.update(is_starred=True)
    purge(NOW)
    assert is_there(old)
    rows.update(is_starred=False, months=None)
    purge(NOW + DAY)
    assert is_there(old)


def test_records_of_no_account_and_of_terminated_ones_go_in_their_time(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(terminated_at=NOW - DAY)
    cutoff = _at("2023-11-20T12:00:00")
    rows = [
        AuditEntryFactory(account=each, organization=None, customer=None, at=cutoff + apart)
        for each in (account, None)
        for apart in (-SECOND, timedelta())
    ]
    purge(NOW)
    assert [is_there(each) for each in rows] == [False, True, False, True]


def test_a_starred_record_of_a_terminated_account_goes(account: Account) -> None:
    figure = MAKE[DataType.USAGE](account, NOW - DAY)
    other = MAKE[DataType.USAGE](AccountFactory(), NOW - DAY)
    Account.objects.filter(pk=account.pk).update(terminated_at=NOW - DAY)
    purge(NOW)
    assert not is_there(figure)
    assert is_there(other)


def test_each_run_tells_the_trail_once_for_each_type(account: Account) -> None:
    for days in range(1, 4):
        AuditEntryFactory(account=account, at=NOW - timedelta(days=800 + days))
    task = purge(NOW)
    told = AuditEntry.objects.filter(action="records.purge")
    assert {each.detail["type"]: each.detail["removed"] for each in told} == {
        each: 3 if each == DataType.AUDIT_TRAIL else 0 for each in TRIMMED
    }
    entry = told.get(target_label="Audit Trail")
    assert entry.detail["cutoff"] == "2023-11-20T12:00:00+00:00"
    assert (entry.actor_label, entry.account) == ("Standby", None)
    assert task.memory[DataType.AUDIT_TRAIL]["removed"] == 3


# What hangs on what goes


def test_an_active_task_stays_however_old(account: Account) -> None:
    then = NOW - timedelta(days=900)
    active = TaskFactory(account=account, state="queued", created_at=then, cloud_account=None)
    Task.objects.filter(pk=active.pk).update(state="canceling", lease_until=NOW + 9 * DAY)
    purge(NOW)
    assert is_there(active)


def test_a_backup_keeps_the_name_of_its_purged_task(account: Account) -> None:
    backup = BackupFactory(resource__account=account)
    name = backup.task_token
    Task.objects.update(ended_at=NOW - timedelta(days=400))
    assert account.cloud_account
    hanging: list[Any] = [
        NotificationFactory(account=account, task=backup.task, created_at=NOW),
        Wait.objects.create(account=account, user_name="ann", asked_at=NOW, task=backup.task),
        Discrepancy.objects.create(
            account=account, cloud_account=account.cloud_account, kind=Discrepancy.Kind.COPY,
            task=backup.task,
        ),
    ]  # fmt: skip
    task = purge(NOW)
    assert task.state == Task.State.DONE, task.error_detail
    for each in (backup, *hanging):
        each.refresh_from_db()
        assert each.task is None
    assert backup.task_token == name


def test_children_go_before_their_parent(account: Account) -> None:
    then = NOW - timedelta(days=400)
    parent = TaskFactory(account=account, ended_at=then)
    children = [TaskFactory(account=account, ended_at=then, parent=parent) for _ in range(3)]
    late = TaskFactory(account=account, ended_at=then)
    young = TaskFactory(account=account, ended_at=NOW - DAY, parent=late)
    purge(NOW)
    assert not any(map(is_there, [parent, *children]))
    assert is_there(late)
    young.refresh_from_db()
    assert young.parent == late


def test_a_notification_goes_with_who_dismissed_it(account: Account) -> None:
    old = NotificationFactory(account=account, created_at=NOW - timedelta(days=100))
    kept = NotificationFactory(account=account, created_at=NOW)
    for each in (old, kept):
        Dismissal.objects.create(notification=each, user=UserFactory())
    purge(NOW)
    assert list(Notification.objects.filter(account=account)) == [kept]
    assert Dismissal.objects.get().notification == kept


def test_a_session_stays_until_it_is_counted(account: Account) -> None:
    counted = MAKE[DataType.SESSION_LOGS](account, NOW - timedelta(days=90))
    late = MAKE[DataType.SESSION_TRAIL](account, NOW - timedelta(days=80))
    live = MAKE[DataType.SESSION_TRAIL](account, NOW - timedelta(days=100))
    type(live).objects.filter(pk=live.pk).update(state="active", ended_at=None)
    type(late).objects.filter(pk=late.pk).update(changed_at=NOW)
    wait = waited(account, NOW - timedelta(days=90))
    purge(NOW)
    assert not is_there(counted.session)
    assert not is_there(wait)
    assert is_there(late)
    assert is_there(live)
    Counted.objects.update(sessions_until=NOW + SECOND)
    purge(NOW + DAY)
    assert not is_there(late)


def test_the_log_of_a_session_goes_before_the_session(account: Account) -> None:
    ended = MAKE[DataType.SESSION_LOGS](account, NOW - timedelta(days=40))
    live = MAKE[DataType.SESSION_TRAIL](account, NOW - timedelta(days=70))
    type(live).objects.filter(pk=live.pk).update(state="active", ended_at=None)
    begun = SessionEvent.objects.create(
        account=account, session=live, event_id="begun", type="started",
        occurred_at=NOW - timedelta(days=70),
    )  # fmt: skip
    purge(NOW)
    assert not is_there(ended)
    assert is_there(ended.session)
    assert is_there(begun)


def test_sign_ins_that_have_run_out_go(db: None) -> None:
    for name, days in (("old", -1), ("good", 1)):
        SignIn.objects.create(
            session_key=name, session_data="", expire_date=NOW + timedelta(days=days)
        )
    purge(NOW)
    assert [each.session_key for each in SignIn.objects.all()] == ["good"]


def test_whatever_refers_to_what_goes_says_what_becomes_of_it() -> None:
    """A new table that refers to a purged one must not stop the purge."""
    for source in (each for sources in SOURCES.values() for each in sources):
        relations = referring_to(source.model)
        assert {each.on_delete for each in relations} <= {CASCADE, SET_NULL, PROTECT}
        held = {each.related_model for each in relations if each.on_delete is PROTECT}
        assert {each.__name__ for each in held} <= {"Backup", "Replica"}
        assert all(map(_has_index, relations))


def _has_index(relation: Any) -> bool:
    name, meta = relation.field.name, relation.related_model._meta
    begins = any(index.fields[0] == name for index in meta.indexes)
    return relation.field.db_index or relation.field.unique or begins


# In portions


def test_a_period_made_longer_while_it_runs_keeps_what_it_covers(account: Account) -> None:
    rows = [AuditEntryFactory(account=account, at=NOW - timedelta(days=800 - n)) for n in range(3)]
    progress = purge_portion(DataType.AUDIT_TRAIL, Progress(size=1), NOW)
    assert progress.removed == 1
    DataAvailability.objects.filter(pk=DataType.AUDIT_TRAIL).update(months=36)
    progress = purge_portion(DataType.AUDIT_TRAIL, progress, NOW)
    assert progress.is_over
    assert [is_there(each) for each in rows] == [False, True, True]


def test_many_of_the_same_moment_all_go(account: Account) -> None:
    then = NOW - timedelta(days=800)
    AuditEntry.objects.bulk_create(AuditEntry(at=then, action="x") for _ in range(25))
    progress = Progress(size=10)
    while not progress.is_over:
        progress = purge_portion(DataType.AUDIT_TRAIL, progress, NOW)
    assert progress.removed == 25
    assert not AuditEntry.objects.filter(action="x").exists()


@pytest.mark.parametrize("data_type", TRIMMED)
def test_portions_add_up_whatever_is_written_meanwhile(
    data_type: DataType, account: Account
) -> None:
    then = NOW - timedelta(days=1000)
    rows = [MAKE[data_type](account, then + n * DAY) for n in range(9)]
    progress = Progress(size=2)
    fresh: list[object] = []
    while not progress.is_over:
        fresh.append(MAKE[data_type](account, NOW + len(fresh) * SECOND))
        progress = purge_portion(data_type, progress, NOW)
    assert not any(map(is_there, rows))
    assert all(map(is_there, fresh))
    assert progress.removed == 9


def test_it_begins_once_on_each_day(db: None) -> None:
    for _ in range(3):
        purge_daily()
    task = Task.objects.get(kind=PURGE)
    assert task.origin == Task.Origin.SYSTEM
    Task.objects.update(created_at=task.created_at - DAY)
    purge_daily()
    assert Task.objects.filter(kind=PURGE).count() == 2


def test_staff_find_it_in_the_admin(staff: User, sign_in: Callable[[User], object]) -> None:
    purge(NOW)
    answer = sign_in(staff).get("/admin/portal/task/")  # type: ignore[attr-defined]
    assert "Purge records" in answer.text


def test_a_report_about_a_session_without_its_log_changes_nothing(account: Account) -> None:
    ended = MAKE[DataType.SESSION_LOGS](account, NOW - timedelta(days=40))
    purge(NOW)
    event = Event(
        "late", account.pk, ended.session.session_id, "disconnected",
        NOW - timedelta(days=41), "ann",
    )  # fmt: skip
    (outcome,) = take_in({account.pk: account}, [event])
    assert outcome.status == "rejected"
    ended.session.refresh_from_db()
    assert ended.session.state == "closed"
    assert not SessionEvent.objects.exists()


# Whoever dies


class _Killed(BaseException):
    """What no code of ours catches."""


@dataclass
class _Killer:
    """Ends the process, as it were, before the statement of this number."""

    at: int
    seen: int = 0

    def __call__(self, execute: Any, *args: Any) -> Any:
        self.seen += 1
        if self.seen == self.at:
            raise _Killed
        return execute(*args)


def _run_until_killed(task: Task, passing: JumpClock, at: int) -> bool:
    """Run it; whether it was killed before it had ended."""
    try:
        with connection.execute_wrapper(_Killer(at)):
            Runner(clock=passing, threads=1).run(seconds=3600)
    except _Killed:
        return True
    return False


@pytest.mark.django_db(transaction=True)
def test_killed_at_any_batch_it_goes_on_and_tells_once(transactional_db: None) -> None:
    filling.fill(apps, None)
    account = AccountFactory()
    then = NOW - timedelta(days=900)
    old = [AuditEntryFactory(account=account, at=then + n * SECOND) for n in range(250)]
    tasks = [TaskFactory(account=account, ended_at=then + n * SECOND) for n in range(5)]
    young = [each(account=account, **{name: NOW}) for each, name in (
        (AuditEntryFactory, "at"), (TaskFactory, "ended_at"),
    )]  # fmt: skip
    task, passing = begin_purge(NOW)
    # Small batches, so that there are several.
    Task.objects.filter(pk=task.pk).update(memory={"audit_trail": {"size": 100}})
    killed, at = 0, 3
    while _run_until_killed(task, passing, at):
        killed += 1
        at += 3
        passing.advance(settings.ENGINE_LEASE_SECONDS + 1)
        # A step under which five workers died is failed: these died under different ones.
        Task.objects.filter(pk=task.pk).update(crashes=0)
        assert all(map(is_there, young))
    task.refresh_from_db()
    assert task.state == Task.State.DONE, task.error_detail
    assert killed >= 5
    assert not AuditEntry.objects.filter(pk__in=[each.pk for each in old]).exists()
    assert not Task.objects.filter(pk__in=[each.pk for each in tasks]).exists()
    told = AuditEntry.objects.filter(action="records.purge")
    assert {each.detail["type"]: each.detail["removed"] for each in told} == {
        each: {DataType.AUDIT_TRAIL: 250, DataType.TASKS: 5}.get(each, 0) for each in TRIMMED
    }
    assert told.count() == len(TRIMMED)
    assert all(map(is_there, young))


@pytest.mark.django_db(transaction=True)
def test_two_at_once_do_no_harm(transactional_db: None) -> None:
    """Each from a connection of its own; together they remove each row once."""
    filling.fill(apps, None)
    account = AccountFactory()
    then = NOW - timedelta(days=900)
    for n in range(200):
        AuditEntryFactory(account=account, at=then + n * SECOND)
    for n in range(60):
        TaskFactory(account=account, ended_at=then + n * SECOND)
        NotificationFactory(account=account, created_at=then + n * SECOND)
    young = AuditEntryFactory(account=account, at=NOW)
    with ThreadPoolExecutor(2) as pool:
        removed = list(pool.map(_purge_alone, range(2)))
    for data_type, rows in ((DataType.AUDIT_TRAIL, 200), (DataType.NOTIFICATIONS, 60),
                            (DataType.TASKS, 60)):  # fmt: skip
        assert sum(each[data_type] for each in removed) == rows
    assert list(AuditEntry.objects.exclude(action="records.purge")) == [young]
    assert not Notification.objects.exists()


def _purge_alone(_number: int) -> dict[str, int]:
    try:
        removed: dict[str, int] = {}
        for data_type in TRIMMED:
            progress = Progress(size=10)
            while not progress.is_over:
                progress = replace(purge_portion(data_type, progress, NOW), size=10)
            removed[data_type] = progress.removed
        return removed
    finally:
        connections.close_all()
