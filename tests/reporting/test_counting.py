"""Sessions counted into figures: the same however reports come, whatever is counted when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count, pairwise
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.engine import clock
from portal.engine.runner import Runner
from portal.models import Account, Notification, Task
from reporting import sessions
from reporting.figures.counting_task import KIND, count_due
from reporting.models import (
    Counted,
    Session,
    SessionReport,
    SessionStatistic,
    UsageStatistic,
    UserActivity,
)
from tests.clock import JumpClock
from tests.factories import AccountFactory, ResourceFactory
from tests.reporting.naive_figures import expected, kept

pytestmark = pytest.mark.usefixtures("periods")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# Days on which something is odd: clocks changed by an hour or half of one, at night or midnight.
ODD_DAYS = (
    ("Europe/London", "2026-03-29"),
    ("Europe/London", "2025-10-26"),
    ("America/Havana", "2025-11-02"),
    ("America/Santiago", "2025-09-07"),
    ("Australia/Lord_Howe", "2025-10-05"),
    ("Asia/Kolkata", "2025-12-01"),
)
ids = count()


class SetClock(JumpClock):
    """Stands at a moment of the test's own."""

    def __init__(self, at: datetime) -> None:
        super().__init__()
        self.time = at


@pytest.fixture
def account() -> Account:
    return AccountFactory(time_zone="Europe/London")


def run_due(at: SetClock) -> None:
    """What a worker does once a minute, until nothing is left to do."""
    with clock.using(at):
        count_due()
    Runner(clock=at, threads=1).run(seconds=3600)
    assert not Task.objects.active().exists()


def tell(account: Account, at: SetClock, session: str, type_: str, when: datetime,
         **facts: object) -> None:  # fmt: skip
    reason = "inactivity" if type_ == "closed" else ""
    user = str(facts.pop("user", "ann"))
    event = sessions.Event(f"e-{next(ids)}", account.pk, session, type_, when, user, reason, facts)
    with clock.using(at):
        (outcome,) = sessions.take_in({account.pk: account}, [event])
    assert outcome.status == "accepted", outcome.problem


_SESSIONS = st.lists(
    st.tuples(
        st.integers(-3000, 3000),  # minutes from the odd midnight to its start
        st.one_of(st.none(), st.integers(0, 3000)),  # its length in minutes, if it ends
        st.sampled_from(["ann", "bob", "eve"]),
        st.sampled_from(["", "Office"]),
        st.sampled_from([None, 12.5]),
        st.booleans(),  # on a machine of the account's
        st.booleans(),  # disconnected before it began, as a clock that is wrong says
    ),
    max_size=6,
)


@given(odd=st.sampled_from(ODD_DAYS), given=_SESSIONS, data=st.data())
@settings(max_examples=25, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
def test_figures_are_those_worked_out_one_by_one(
    odd: tuple[str, str], given: list[tuple[int, int | None, str, str, float | None, bool, bool]],
    data: st.DataObject,
) -> None:  # fmt: skip
    Session.objects.all().delete()
    Counted.objects.all().delete()
    account = AccountFactory(time_zone=odd[0])
    machine = ResourceFactory(account=account, name="desk")
    midnight = datetime.fromisoformat(odd[1]).replace(tzinfo=account.zone).astimezone(UTC)
    at = SetClock(midnight + 3000 * MINUTE)
    reports: list[Callable[[], None]] = []
    for number, (start, length, user, pool, far, has_machine, is_odd) in enumerate(given):
        facts: dict[str, Any] = {
            "pool": pool,
            "distance_km": far,
            "user": user,
            "session": f"s-{number}",
        }
        facts["machine_name"] = machine.name if has_machine else ""
        times = {"started": start} | ({"disconnected": start - 400} if is_odd else {})
        if length is not None:
            times["closed"] = min(start + length, 3000)
        for type_, minutes in times.items():
            when = midnight + minutes * MINUTE
            reports.append(partial(tell, account, at, type_=type_, when=when, **facts))
    for report in data.draw(st.permutations(reports)):
        report()
        if data.draw(st.integers(0, 3)) == 0:
            at.advance(HOUR.total_seconds())
            run_due(at)
    at.advance(HOUR.total_seconds())
    run_due(at)
    assert kept(account) == expected(account, at.now())


@pytest.fixture
def at() -> SetClock:
    return SetClock(datetime(2026, 4, 2, 10, 30, tzinfo=UTC))


def work(account: Account, at: SetClock, since: datetime, until: datetime | None = None,
         **facts: object) -> Session:  # fmt: skip
    """A session as it is folded, without events."""
    session: Session = Session.objects.create(
        account=account, session_id=f"w-{next(ids)}", started_at=since, ended_at=until,
        state="closed" if until else "active", changed_at=at.now(),
        **{"user_name": "ann", **facts},
    )  # fmt: skip
    return session


def month_of_work(account: Account, at: SetClock) -> None:
    """Some sessions each day of March; one is live."""
    for n in range(30):
        day = datetime(2026, 3, 2, 8, tzinfo=UTC) + DAY * n
        for user, pool in (("ann", "Office"), ("bob", "Office"), ("eve", "")):
            work(account, at, day, day + HOUR * (n % 9), user_name=user, pool=pool)
    work(account, at, datetime(2026, 4, 2, 9, tzinfo=UTC), user_name="joe")


def test_counted_twice_is_as_counted_once(account: Account, at: SetClock) -> None:
    month_of_work(account, at)
    run_due(at)
    found = kept(account)
    assert found == expected(account, at.now())
    Counted.objects.update(begun_at=None, sessions_until=None)
    run_due(at)
    assert kept(account) == found


class CrashClock(SetClock):
    """Kills whoever asks it for the time once too often."""

    left = 0

    def now(self) -> datetime:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return super().now()


@pytest.mark.parametrize("crash_on", range(2, 42, 3))
def test_killed_anywhere_the_figures_are_the_same(
    account: Account, at: SetClock, crash_on: int
) -> None:
    for n in range(6):
        since = datetime(2026, 3, 28, 22, 40, tzinfo=UTC) + n * 15 * HOUR
        work(account, at, since, since + 7 * HOUR, user_name=f"user-{n % 3}")
    with clock.using(at):
        count_due()
    killer = CrashClock(at.now())
    killer.left = crash_on
    with pytest.raises(KeyboardInterrupt):
        Runner(clock=killer, threads=1).run(seconds=3600)
    assert Task.objects.active().exists()
    at.advance(120)
    Runner(clock=at, threads=1).run(seconds=3600)
    assert Task.objects.get(kind=KIND).state == Task.State.DONE
    assert kept(account) == expected(account, at.now())


def test_once_an_hour_and_only_what_has_changed_or_is_live(account: Account, at: SetClock) -> None:
    other = AccountFactory()
    session = work(account, at, at.now() - HOUR)
    work(other, at, at.now() - 3 * HOUR, at.now() - 2 * HOUR)

    def counts(advance: timedelta) -> list[str]:
        at.advance(advance.total_seconds())
        before = set(Task.objects.values_list("pk", flat=True))
        run_due(at)
        run_due(at)
        made = Task.objects.exclude(pk__in=before)
        return sorted(made.values_list("subject", flat=True))

    assert counts(timedelta(0)) == sorted([account.name, other.name])
    assert counts(20 * MINUTE) == []
    # What was reported shortly before it was counted may have been committed after.
    assert counts(20 * MINUTE) == sorted([account.name, other.name])
    assert counts(HOUR) == [account.name]
    Session.objects.filter(pk=session.pk).update(
        state="closed", ended_at=at.now(), changed_at=at.now()
    )
    assert counts(HOUR) == [account.name]
    assert counts(HOUR) == []


def test_a_live_session_grows_where_it_began_and_where_it_is(
    account: Account, at: SetClock
) -> None:
    tell(account, at, "long", "started", at.now() - 2 * DAY)
    run_due(at)
    at.advance(HOUR.total_seconds())
    run_due(at)
    began = SessionStatistic.objects.get(account=account, frequency="day")
    assert began.total_seconds == 49 * 3600
    today = UsageStatistic.objects.filter(account=account, frequency="day").latest("period_start")
    # From midnight in summer time, which is 23:00 the day before.
    assert today.used_seconds == 12 * 3600 + 1800
    tell(account, at, "long", "closed", at.now() - DAY)
    at.advance(HOUR.total_seconds())
    run_due(at)
    assert kept(account) == expected(account, at.now())


def test_no_period_is_computed_again_whose_sessions_may_be_gone(
    account: Account, at: SetClock
) -> None:
    """Two months back is 2 February, 10:30: of what began earlier nothing changes any more."""
    old, edge = datetime(2026, 1, 15, 9, tzinfo=UTC), datetime(2026, 2, 2, 9, tzinfo=UTC)
    before = SetClock(datetime(2026, 2, 3, 10, tzinfo=UTC))
    for since in (old, edge, edge + HOUR, datetime(2026, 2, 3, 8, tzinfo=UTC)):
        work(account, before, since, since + HOUR)
    run_due(before)
    counted = kept(account)
    assert counted == expected(account, before.now())
    Session.objects.filter(ended_at__lt=datetime(2026, 2, 2, 10, 30, tzinfo=UTC)).delete()
    # All of these changed, too; the month of February is of too long ago, its third day is not.
    Session.objects.update(user_name="bob", changed_at=at.now())
    work(account, at, datetime(2026, 3, 1, 8, tzinfo=UTC), datetime(2026, 3, 1, 9, tzinfo=UTC))
    run_due(at)
    days = UserActivity.objects.filter(account=account).order_by("period_start")
    assert [(f"{each.period_start:%m-%d}", each.user_name) for each in days] == [
        ("01-15", "ann"), ("02-02", "ann"), ("02-03", "bob"), ("03-01", "ann"),
    ]  # fmt: skip
    months = SessionReport.objects.filter(account=account).order_by("month")
    assert list(months.values_list("month", "session_count")) == [
        ("2026-01", 1), ("2026-02", 3), ("2026-03", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("day", ["2026-03-31T22:59", "2026-03-01T00:30", "2026-05-01T11:00"])
@pytest.mark.parametrize("zone", ["Europe/London", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_month_before_is_always_computed_whole(day: str, zone: str) -> None:
    at = SetClock(datetime.fromisoformat(day).replace(tzinfo=UTC))
    account = AccountFactory(time_zone=zone)
    today = at.now().astimezone(account.zone).date()
    last = (today.replace(day=1) - DAY).replace(day=1)
    since = datetime(last.year, last.month, 1, tzinfo=account.zone).astimezone(UTC)
    work(account, at, since, since + HOUR)
    run_due(at)
    report = SessionReport.objects.get(account=account)
    assert (report.month, report.session_count) == (f"{last:%Y-%m}", 1)


def test_purged_once_is_purged_though_the_period_is_longer_now(
    account: Account, at: SetClock
) -> None:
    work(account, at, at.now() - 9 * DAY, at.now() - 9 * DAY + HOUR)
    run_due(at)
    before = kept(account)
    Counted.objects.update(purged_until=at.now() - 5 * DAY)
    Session.objects.all().delete()
    work(account, at, at.now() - 9 * DAY, at.now() - 9 * DAY)
    at.advance(HOUR.total_seconds())
    run_due(at)
    assert kept(account) == before


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_another_time_zone_has_days_of_its_own_and_no_hour_twice(
    account: Account, at: SetClock, zone: str
) -> None:
    for n in range(80):
        since = at.now() - n * DAY - 9 * HOUR
        work(account, at, since, since + 20 * HOUR, user_name=f"user-{n % 3}")
    run_due(at)
    account.time_zone = zone
    account.save()
    at.advance(HOUR.total_seconds())
    run_due(at)
    for frequency in ("day", "month"):
        rows = UsageStatistic.objects.filter(account=account, frequency=frequency)
        periods = sorted(set(rows.values_list("period_start", "period_end")))
        assert all(a[1] <= b[0] for a, b in pairwise(periods))
    starts = SessionReport.objects.filter(account=account).values_list("period_start", flat=True)
    assert {each.astimezone(account.zone).hour for each in starts if each.month > 2} == {0}


def test_a_day_takes_few_statements_however_many_sessions(account: Account, at: SetClock) -> None:
    def statements() -> int:
        Counted.objects.update(begun_at=None, sessions_until=None)
        with CaptureQueriesContext(connection) as queries:
            run_due(at)
        return len(queries)

    since = at.now() - 5 * HOUR
    work(account, at, since, since + HOUR)
    run_due(at)
    few = statements()
    for n in range(300):
        work(
            account,
            at,
            since + n * 10 * timedelta(seconds=1),
            since + HOUR,
            user_name=f"u-{n % 20}",
        )
    assert statements() <= few


def test_old_tasks_are_forgotten(account: Account, at: SetClock) -> None:
    work(account, at, at.now() - HOUR)
    for _ in range(4):
        run_due(at)
        at.advance(DAY.total_seconds())
    assert Task.objects.filter(kind=KIND).count() == 3
    assert not Notification.objects.exists()
    assert not Task.objects.filter(account=account).exists()


def test_an_account_that_is_gone_meanwhile_is_no_failure(account: Account, at: SetClock) -> None:
    work(account, at, at.now() - HOUR)
    with clock.using(at):
        count_due()
    Session.objects.all().delete()
    Account.objects.filter(pk=account.pk).delete()
    Runner(clock=at, threads=1).run(seconds=3600)
    assert Task.objects.get().state == Task.State.DONE


def test_what_cannot_be_computed_is_told_once_a_day_and_tried_each_hour(
    account: Account, at: SetClock
) -> None:
    work(account, at, at.now() - HOUR)
    Account.objects.update(time_zone="Europe/Atlantis")
    for _ in range(26):
        run_due(at)
        at.advance(HOUR.total_seconds())
    assert Task.objects.filter(kind=KIND, state=Task.State.FAILED).count() == 26
    assert [each.title for each in Notification.objects.all()] == [
        "Figures of sessions could not be computed"
    ] * 2
    Account.objects.update(time_zone="Europe/London")
    run_due(at)
    assert kept(account)["sessions"]
