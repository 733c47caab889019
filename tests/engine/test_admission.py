"""Which queued tasks may start: the limit of a cloud account, in turn between accounts."""

from __future__ import annotations

from datetime import timedelta

from portal import engine
from portal.engine import claims
from portal.models import CloudAccount, Task
from tests.clock import JumpClock
from tests.engine.conftest import Script
from tests.factories import AccountFactory, CloudAccountFactory

State = Task.State


def _cloud_account(limit: int) -> CloudAccount:
    made: CloudAccount = CloudAccountFactory(max_tasks=limit)
    return made


def _queue(cloud_account: CloudAccount, count: int) -> list[Task]:
    account = AccountFactory(
        cloud_account=cloud_account, organization__customer=cloud_account.customer
    )
    return [
        engine.start("trial", title=f"{number}", account=account, cloud_account=cloud_account)
        for number in range(count)
    ]


def _states(tasks: list[Task]) -> list[str]:
    found = Task.objects.in_bulk([task.pk for task in tasks])
    return [found[task.pk].state for task in tasks]


def test_no_more_tasks_start_than_the_cloud_account_takes(
    db: None, script: Script, clock: JumpClock
) -> None:
    tasks = _queue(_cloud_account(2), 4)
    claims.admit(clock.now())
    claims.admit(clock.now())
    assert _states(tasks) == [State.RUNNING, State.RUNNING, State.QUEUED, State.QUEUED]


def test_a_place_that_is_free_again_is_given_to_the_next(
    db: None, script: Script, clock: JumpClock
) -> None:
    tasks = _queue(_cloud_account(1), 2)
    claims.admit(clock.now())
    Task.objects.filter(pk=tasks[0].pk).update(state=State.DONE)
    claims.admit(clock.now())
    assert _states(tasks) == [State.DONE, State.RUNNING]


def test_a_long_queue_of_one_account_does_not_starve_another(
    db: None, script: Script, clock: JumpClock
) -> None:
    cloud_account = _cloud_account(2)
    many = _queue(cloud_account, 5)
    few = _queue(cloud_account, 1)
    claims.admit(clock.now())
    assert _states(few) == [State.RUNNING]
    assert _states(many).count(State.RUNNING) == 1


def test_a_cancelled_task_need_not_wait_for_a_place(
    db: None, script: Script, clock: JumpClock
) -> None:
    tasks = _queue(_cloud_account(1), 2)
    claims.admit(clock.now())
    engine.cancel(tasks[1])
    claims.admit(clock.now())
    assert _states(tasks) == [State.RUNNING, State.RUNNING]


def test_nothing_is_asked_of_a_cloud_account_that_wants_to_be_left_alone(
    db: None, script: Script, clock: JumpClock
) -> None:
    cloud_account = _cloud_account(5)
    _queue(cloud_account, 1)
    claims.admit(clock.now())
    until = clock.now() + timedelta(seconds=90)
    CloudAccount.objects.filter(pk=cloud_account.pk).update(busy_until=until)
    lease = timedelta(seconds=60)
    clock.advance(60)
    assert not claims.claim("me", clock.now(), lease, 10)
    assert claims.next_due() == until
    clock.advance(31)
    assert claims.claim("me", clock.now(), lease, 10)


def test_transfers_take_no_place_of_what_people_wait_for(
    db: None, script: Script, clock: JumpClock
) -> None:
    cloud_account = CloudAccountFactory(max_tasks=1, max_transfers=2)
    account = AccountFactory(
        cloud_account=cloud_account, organization__customer=cloud_account.customer
    )
    transfers = [
        engine.start(
            "trial", title="copy", account=account, cloud_account=cloud_account, transfer=True
        )
        for _ in range(3)
    ]
    others = _queue(cloud_account, 2)
    claims.admit(clock.now())
    claims.admit(clock.now())
    assert _states(transfers) == [State.RUNNING, State.RUNNING, State.QUEUED]
    assert _states(others) == [State.RUNNING, State.QUEUED]
